# Images that try dockerTools one feature at a time; each builds, loads and runs (fromRegistry wants a registry).
{ pkgs, lib, buildImage, pullImage, shadowSetup, buildImageWithNixDb }:
rec {
  # A package at the root.
  bash = buildImage {
    name = "bash";
    tag = "latest";
    contents = pkgs.bash;
    config.Cmd = [ "/bin/bash" ];
  };

  # Upon another image, with a step as root.
  service = buildImage {
    name = "service";
    tag = "latest";
    fromImage = bash;
    contents = pkgs.coreutils;
    runAsRoot = ''
      mkdir -p /data
      echo ready > /data/state
    '';
    config = {
      Cmd = [ "/bin/cat" "/data/state" ];
      WorkingDir = "/data";
      Volumes."/data" = { };
    };
  };

  # A user and a group.
  withUser = buildImage {
    name = "with-user";
    tag = "latest";
    contents = [ pkgs.bash pkgs.coreutils ];
    runAsRoot = ''
      #!${pkgs.runtimeShell}
      ${shadowSetup}
      groupadd --system app
      useradd --system --gid app --home-dir /data app
      mkdir -p /data
      chown app:app /data
    '';
    config.User = "app";
  };

  # Commands that need no root.
  withExtra = buildImage {
    name = "with-extra";
    contents = pkgs.bash;
    extraCommands = ''
      mkdir -p etc tmp
      chmod 1777 tmp
      echo made-by-extraCommands > etc/motd
    '';
  };

  # From a registry, pinned by digest.
  fromRegistry = pullImage {
    imageName = "library/busybox";
    imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    sha256 = lib.fakeSha256 or "0000000000000000000000000000000000000000000000000000000000000000";
    finalImageTag = "pinned";
  };

  # Later layers win.
  layersOrder =
    let
      layer = n: fromImage: buildImage {
        name = "layer-${toString n}";
        tag = "latest";
        inherit fromImage;
        contents = if n == 3 then [ pkgs.bash pkgs.coreutils ] else null;
        extraCommands = ''
          mkdir -p tmp
          for i in 1 2 3; do
            if [ $i -ge ${toString n} ]; then echo layer${toString n} > tmp/layer$i; fi
          done
        '';
      };
    in
    layer 3 (layer 2 (layer 1 null));

  # With a Nix database of its contents.
  withNixDb = buildImageWithNixDb {
    name = "with-nix-db";
    tag = "latest";
    contents = [ pkgs.bash pkgs.coreutils ];
  };
}
