# What only running or reading an image shows.
{ pkgs, lib, dockerTools, runCommand, writeText, bash, coreutils, gnutar, storeDir ? builtins.storeDir }:
let
  inherit (dockerTools) buildImage buildLayeredImage;
  base = buildImage {
    name = "base";
    tag = "latest";
    contents = [ bash coreutils ];
    extraCommands = ''
      mkdir -p data/gone data/replaced data/kept
      echo base > data/gone/file
      echo base > data/replaced/old
      echo base > data/kept/file
      ln -s kept data/link
    '';
    config.Env = [ "PATH=/bin" ];
  };
  # Deletes and replaces what the base has.
  changed = buildImage {
    name = "changed";
    tag = "latest";
    fromImage = base;
    runAsRoot = ''
      rm -r /data/gone
      rm -r /data/replaced
      mkdir /data/replaced
      echo new > /data/replaced/new
      echo changed > /data/kept/file
    '';
    config = { Cmd = [ "/bin/bash" ]; Env = [ "PATH=/bin" ]; };
  };
  odd = runCommand "odd" { } "mkdir -p $out/share; ln -s ./here $out/share/dot-link; echo x > $out/share/here";
  small = buildImage { name = "small"; contents = odd; };
in
{
  inherit base changed;
  # Files of the lower layer that were deleted stay deleted in a third layer's view.
  again = buildImage {
    name = "again";
    tag = "latest";
    fromImage = changed;
    runAsRoot = "ls -R /data > /listing; cat /data/*/* >> /listing";
    config.Env = [ "PATH=/bin" ];
  };
  exported = dockerTools.exportImage { fromImage = changed; };
  overlay = dockerTools.runWithOverlay {
    name = "overlay";
    fromImage = changed;
    preMount = "mkdir layer/pre";
    postMount = "ls mnt/data mnt/data/replaced > listing; touch mnt/post; rm mnt/data/kept/file";
    postUmount = ''
      mkdir -p $out
      ${gnutar}/bin/tar -C layer --sort=name -cf $out/layer.tar .
      cp listing $out/json
      echo 1.0 > $out/VERSION
    '';
  };
  user = buildImage {
    name = "user";
    tag = "latest";
    contents = [ bash coreutils ];
    runAsRoot = ''
      ${dockerTools.shadowSetup}
      groupadd --system app
      useradd --system --gid app --home-dir /data app
      mkdir -p /data
      echo mine > /data/file
      chown -R app:app /data
    '';
    config = { User = "app"; Env = [ "PATH=/bin" ]; Cmd = [ "/bin/bash" "-c" "id -un; stat -c %U /data/file" ]; };
  };
  withNixDb = dockerTools.buildImageWithNixDb {
    name = "with-nix-db";
    tag = "latest";
    contents = [ bash coreutils ];
    extraCommands = "echo here > nix/var/nix/marker";
  };
  withNixDbOnly = dockerTools.buildImageWithNixDb { name = "with-nix-db"; tag = "latest"; contents = bash; };
  merged = dockerTools.mergeDrvs {
    derivations = [
      (runCommand "a" { } "mkdir -p $out/bin $out/.hidden; echo a > $out/bin/one; echo a > $out/bin/two")
      (runCommand "b" { } "mkdir -p $out/bin; echo b > $out/bin/two; ln -s one $out/bin/three")
      (runCommand "c.tar.gz" { } "mkdir -p x/bin; echo c > x/bin/four; chmod +x x/bin/four; ${gnutar}/bin/tar -C x -czf $out .")
    ];
  };
  mergedNames = dockerTools.mergeDrvs { derivations = [ bash coreutils ]; onlyDeps = true; };
  now = buildLayeredImage { name = "now"; tag = "latest"; created = "now"; };
  nowImage = buildImage { name = "now"; tag = "latest"; created = "now"; };
  untagged = buildLayeredImage { name = "untagged"; contents = bash; };
  untaggedImage = buildImage { name = "untagged"; contents = bash; };
  upperTag = buildLayeredImage { name = "Upper"; tag = "V1.0-RC"; };
  twoLayers = buildLayeredImage { name = "two"; tag = "latest"; contents = bash; maxLayers = 2; config.Cmd = [ "/bin/bash" ]; };
  tooFewLayers = buildLayeredImage { name = "one"; maxLayers = 1; };
  dotLinks = buildLayeredImage { name = "dots"; tag = "latest"; contents = odd; };
  ownedByNumber = buildLayeredImage { name = "owned"; tag = "latest"; contents = odd; uid = 1000; gid = 100; };
  imageTags = writeText "tags" "${(buildLayeredImage { name = "Upper"; tag = "V1.0-RC"; }).imageTag} ${(buildLayeredImage { name = "untagged"; contents = bash; }).imageTag}";
  tarsum = runCommand "tarsum-of-layer" { } "${dockerTools.tarsum}/bin/tarsum < ${small.layer}/layer.tar > $out";
  inherit (small) layer;
  manyLayers = dockerTools.mkManyPureLayers {
    name = "many";
    closure = writeText "closure" "${bash}";
    configJson = writeText "config.json" (builtins.toJSON { created = "2001-01-01T00:00:00Z"; config.Cmd = [ "x" ]; os = "linux"; });
    maxLayers = 3;
  };
  script = dockerTools.shellScript "script.sh" "echo from the script";
  fileAsContents = buildImage { name = "file"; contents = writeText "file" "x"; };
  fileInLayers = buildLayeredImage { name = "file"; contents = [ (writeText "file" "x") ]; };
  damagedBase = buildImage { name = "damaged"; fromImage = writeText "no-image" "this is not an archive"; };
  wrongName = buildImage { name = "wrong"; fromImage = base; fromImageName = "other"; };
  failing = buildImage { name = "failing"; runAsRoot = "echo about to fail; exit 3"; };
}
