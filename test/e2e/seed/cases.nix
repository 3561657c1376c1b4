# What the tests of the original dockerTools build: one attribute for each thing to see. `seed` is the original's
# folder; the rest comes from the embedded package set.
{
  callPackage, lib, runCommandLocal, writeText, writeTextDir, bash, coreutils, hello, dockerTools, seed,
  # For pullImage: where and what.
  registry ? "", digest ? "", sha256 ? lib.fakeSha256,
}:
let
  original = callPackage (seed + "/default.nix") { };
  inherit (original) buildImage buildLayeredImage;

  # A closure of exactly n paths beside the three that every layered image has (its environment, config and list).
  texts = n: lib.genList (i: writeTextDir "texts/${toString i}" "text ${toString i}\n") n;
  exactly = n: maxLayers: buildLayeredImage {
    name = "exactly";
    tag = "latest";
    contents = texts (n - 3);
    inherit maxLayers;
  };

  base = buildImage {
    name = "base";
    tag = "one";
    contents = [ bash coreutils ];
    extraCommands = ''
      mkdir -p srv/gone srv/kept
      echo base > srv/kept/file
      echo base > srv/gone/file
      echo base > srv/removed
    '';
  };
  layered = buildLayeredImage { name = "lower"; tag = "latest"; contents = [ bash ]; };
  # A layer that deletes and changes what the base has.
  changed = buildImage {
    name = "changed";
    tag = "latest";
    fromImage = base;
    runAsRoot = "rm -r /srv/gone; echo upper > /srv/kept/file";
  };
  # What steps over that image see, by one dockerTools or another.
  seen = tools: tools.runWithOverlay {
    name = "seen";
    fromImage = changed;
    postMount = "cat mnt/srv/kept/file > seen; ls mnt/srv >> seen";
    postUmount = "mkdir $out; cp seen $out/json; touch $out/VERSION $out/layer.tar";
  };
  links = runCommandLocal "links" { } ''
    mkdir -p $out/real
    echo linked > $out/real/file
    ln -s real $out/dir
  '';
in
{
  layered = {
    empty = buildLayeredImage { name = "empty"; };
    single = buildLayeredImage {
      name = "registry.example:5000/Team/Single";
      tag = "V1";
      contents = hello;
      config = {
        Cmd = [ "/bin/hello" ];
        Env = [ "A=1" ];
      };
    };
    several = buildLayeredImage {
      name = "several";
      tag = "latest";
      contents = [ bash coreutils hello ];
      maxLayers = 5;
      uid = 1234;
      gid = 5678;
      extraCommands = "mkdir -p etc; echo extra > etc/extra";
      config.Cmd = [ "/bin/bash" "-c" "/bin/hello; /bin/cat /etc/extra" ];
    };
    now = buildLayeredImage { name = "now"; created = "now"; };
    below = exactly 8 10;
    equal = exactly 9 10;
    above = exactly 10 10;
    beyond = exactly 11 10;
    far = exactly 20 10;
  };

  image = {
    none = buildImage { name = "none"; };
    one = buildImage { name = "one"; tag = "V2"; contents = hello; config.Cmd = [ "/bin/hello" ]; };
    many = buildImage {
      name = "many";
      contents = [ bash coreutils (writeTextDir "etc/motd" "contents\n") ];
      config.Cmd = [ "/bin/bash" "-c" "/bin/cat /etc/motd" ];
    };
    now = buildImage { name = "now"; created = "now"; };
    dirlinks = buildImage { name = "dirlinks"; contents = links; keepContentsDirlinks = true; };
    plain = buildImage { name = "plain"; contents = links; uid = 7; gid = 8; };
    onBase = buildImage {
      name = "on-base";
      tag = "latest";
      fromImage = base;
      contents = hello;
      extraCommands = "mkdir -p srv/kept; echo upper > srv/kept/file";
      config.Cmd = [ "/bin/bash" "-c" "/bin/hello; /bin/cat /srv/kept/file /srv/removed" ];
    };
    onNamed = buildImage {
      name = "on-named";
      tag = "latest";
      fromImage = base;
      fromImageName = "base";
      fromImageTag = "one";
      contents = hello;
    };
    onLayered = buildImage {
      name = "on-layered";
      tag = "latest";
      fromImage = layered;
      contents = hello;
      config.Cmd = [ "/bin/bash" "-c" "/bin/hello" ];
    };
    onLayeredNamed = buildImage {
      name = "on-layered-named";
      tag = "latest";
      fromImage = layered;
      fromImageName = "lower";
      fromImageTag = "latest";
    };
    asRoot = buildImage {
      name = "as-root";
      tag = "latest";
      fromImage = base;
      contents = hello;
      runAsRoot = ''
        rm -r /srv/gone /srv/removed
        echo made > /srv/made
        mkdir /owned
        echo mine > /owned/file
        chown -R 1000:1001 /owned
        chmod 2755 /owned
        [ $$ = 1 ] && echo alone > /srv/pid
      '';
      config.Cmd = [ "/bin/bash" "-c" "/bin/ls -ln / /srv; /bin/cat /owned/file" ];
    };
  };

  database = original.buildImageWithNixDb { name = "database"; tag = "latest"; contents = [ bash hello ]; };

  parts = {
    inherit (original) tarsum;
    merged = original.mergeDrvs { derivations = [ hello (writeTextDir "extra/file" "extra\n") ]; };
    onlyDeps = original.mergeDrvs { derivations = [ hello bash ]; onlyDeps = true; };
    pure = original.mkPureLayer { name = "pure"; baseJson = writeText "base.json" "{}"; contents = [ hello ]; uid = 3; gid = 4; };
    many = original.mkManyPureLayers {
      name = "many";
      closure = writeText "closure" "${hello}";
      configJson = writeText "config.json" ''{"config": {"Cmd": []}, "os": "linux"}'';
      maxLayers = 3;
    };
    customisation = original.mkCustomisationLayer {
      name = "customisation";
      contents = hello;
      baseJson = writeText "base.json" "{}";
      extraCommands = "echo added > added";
      uid = 5;
      gid = 6;
    };
    script = original.shellScript "script.sh" "echo ran; ls -d /";
    overlay = original.runWithOverlay {
      name = "overlay";
      fromImage = base;
      diskSize = 64;
      preMount = "echo before > layer/before; mkdir -p layer/etc";
      postMount = ''
        cat mnt/srv/kept/file mnt/before > seen
        df -m . | tail -n 1 > size
        rm mnt/srv/removed
      '';
      postUmount = ''
        mkdir -p $out
        cp seen $out/json
        cp size $out/VERSION
        tar -C layer -cf $out/layer.tar --sort=name .
      '';
    };
    root = original.mkRootLayer {
      name = "root";
      baseJson = writeText "base.json" "{}";
      runAsRoot = "mkdir /var; touch /var/x; chown 12:34 /var/x";
      extraCommands = "echo after > after";
    };
    exported = original.exportImage { fromImage = base; };
    exportedHere = dockerTools.exportImage { fromImage = changed; };
    seen = seen original;
    seenHere = seen dockerTools;
  };

  # Without store paths: a fixed output may not have any.
  small = buildImage { name = "small"; tag = "latest"; extraCommands = "mkdir etc; echo pulled > etc/motd"; };
  pulled = original.pullImage {
    imageName = "${registry}/team/small";
    imageDigest = digest;
    inherit sha256;
    finalImageName = "team/small";
    finalImageTag = "pinned";
  };

  inherit (original) examples;
}
