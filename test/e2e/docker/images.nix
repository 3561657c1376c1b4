# Images that the original dockerTools (its folder is `seed`) and ours must make alike, byte for byte:
# original.NAME and native.NAME.
{ pkgs, lib, callPackage, dockerTools, runCommand, writeText, bash, coreutils, findutils, hello, seed }:
let
  original = callPackage (seed + "/default.nix") { };

  # Names and kinds of files that archives have trouble with.
  odd = runCommand "odd" { } ''
    mkdir -p $out/share/empty $out/bin "$out/share/with space/and 'quotes'" $out/lib
    cd $out/share
    long=$(printf 'directory-with-a-long-name-%.0s' 1 2 3 4 5)
    mkdir -p $long/$long
    echo deep > $long/$long/$(printf 'f%.0s' $(seq 250))
    echo longest > $(printf 'l%.0s' $(seq 255))
    : > empty-file
    echo naïve > naïve-☃
    echo star > '*'
    echo bracket > '[a]'
    echo question > '?'
    echo blank > 'two  blanks'
    echo minus > '-n'
    echo dollar > '$HOME'
    echo "a-b" > a-b; mkdir a; echo x > a/x; echo a.b > a.b
    ln -s nowhere dangling
    ln -s $(printf 't%.0s' $(seq 100)) link100
    ln -s $(printf 't%.0s' $(seq 101)) link101
    ln -s $(printf 'u%.0s' $(seq 2000)) $(printf 'k%.0s' $(seq 200))
    ln -s a link-to-directory
    echo same > one
    ln one two
    head -c 1000000 /dev/zero | tr '\0' x > big
    printf '#!${bash}/bin/bash\necho odd\n' > $out/bin/odd
    chmod +x $out/bin/odd
  '';
  # The original's layered images change such links (see docs/docker-tools.md).
  dots = runCommand "dots" { } ''
    mkdir -p $out/share
    ln -s ./here $out/share/dot-link
  '';
  # Without the names that break the original's own pipelines.
  plain = runCommand "plain" { } ''
    mkdir -p $out/share/plain $out/bin
    ln -s ../share $out/bin/up
    echo ${odd} > $out/share/plain/reference
    echo other > $out/share/empty-file
  '';
  many = n: lib.genList (i: writeText "text-${toString i}" "text ${toString i}\n") n;
  env = n: runCommand "env-${toString n}" { texts = many n; } "mkdir $out; echo $texts > $out/list";

  images = tools:
    let
      image = args: tools.buildImage ({ name = "image"; tag = "latest"; } // args);
      layered = args: tools.buildLayeredImage ({ name = "image"; tag = "latest"; } // args);
      bashImage = image { name = "bash"; contents = bash; };
    in
    {
      nothing = image { };
      one = image { contents = bash; config.Cmd = [ "/bin/bash" ]; };
      manyContents = image { contents = [ bash coreutils plain ]; };
      oddContents = image { contents = [ odd plain dots ]; };
      keptDirlinks = image { contents = [ odd plain ]; keepContentsDirlinks = true; };
      # Files of one size and of others, links and directories over one another.
      overlapping = image {
        contents = [
          (runCommand "first" { } "mkdir -p $out/d $out/e; echo one > $out/d/same; echo one > $out/d/other; ln -s x $out/l; echo f > $out/e/f")
          (runCommand "second" { } "mkdir -p $out/d $out/l; echo two > $out/d/same; echo three > $out/d/other; echo y > $out/l/y; ln -s ../d $out/e-link")
        ];
      };
      owned = image { contents = [ bash ]; uid = 1234; gid = 5678; };
      created = image { contents = bash; created = "2019-07-01T12:00:00Z"; };
      config = image {
        name = "registry.example:5000/Some/Name";
        tag = "V1.0";
        config = {
          Cmd = [ "/bin/bash" "-c" "echo \"é\" / \\ \t" ];
          Env = [ "A=1" ];
          Volumes."/data/" = { };
          Labels = { "org.example/x" = "a/b"; };
          Healthcheck.Interval = 30000000000;
          StopTimeout = 10;
          Ratio = 0.1;
          OnBuild = null;
        };
      };
      commands = image {
        contents = [ bash odd ];
        extraCommands = ''
          mkdir -p etc tmp
          chmod 1777 tmp
          chmod 600 etc/../etc
          chmod 711 etc
          echo made > etc/motd
          ln etc/motd etc/issue
          ln -s ./motd etc/link
          echo ${coreutils} > etc/reference
        '';
        uid = 1001;
        gid = 101;
      };
      chain = image {
        fromImage = bashImage;
        contents = [ coreutils odd ];
      };
      chain3 = image {
        fromImage = image { name = "second"; tag = "two"; fromImage = bashImage; contents = plain; };
        contents = [ plain bash ];
        extraCommands = "mkdir x";
      };
      named = image { fromImage = bashImage; fromImageName = "bash"; fromImageTag = "latest"; contents = plain; };
      onLayered = image {
        fromImage = layered { name = "base"; contents = [ bash odd ]; maxLayers = 4; };
        contents = [ odd coreutils ];
      };

      # Made with commands as root.
      asRoot = image {
        fromImage = bashImage;
        contents = [ coreutils ];
        runAsRoot = "
          mkdir -p /data /var/empty
          echo state > /data/state
          chown 12:34 /data/state
          chmod 4755 /data/state
          ln /data/state /data/linked
          ln -s ./state /data/link
          mknod /data/null c 1 3 || true
          rm /bin/sh
        ";
        extraCommands = "echo later > data/later";
      };

      layeredNothing = layered { };
      layeredOne = layered { contents = bash; config.Cmd = [ "/bin/bash" ]; };
      layeredMany = layered { contents = [ bash coreutils odd plain ]; };
      layeredOwned = layered { contents = [ bash ]; uid = 1234; gid = 5678; };
      layeredCommands = layered {
        contents = [ bash odd ];
        extraCommands = ''
          mkdir -p etc tmp
          chmod 1777 tmp
          echo made > etc/motd
          ln etc/motd etc/issue
          ln etc/motd tmp/third
        '';
      };
      layeredConfig = layered { name = "Some/Name"; tag = "V1.0"; created = "2019-07-01T12:00:00Z"; config.Labels."a/b" = "c"; };
      # The closure has ten texts, the environment, its join, the configuration and the list of both.
      layered13 = layered { contents = env 10; maxLayers = 13; };
      layered14 = layered { contents = env 10; maxLayers = 14; };
      layered15 = layered { contents = env 10; maxLayers = 15; };
      layered16 = layered { contents = env 10; maxLayers = 16; };
      layered3 = layered { contents = env 10; maxLayers = 3; };
    };
in
{
  original = images original;
  native = images dockerTools;
}
