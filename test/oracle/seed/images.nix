# The images of test/e2e/docker/images.nix, of what real Nix can build: original.NAME and native.NAME.
{ seed }:
let
  pkgs = import ./host-packages.nix { lib = import ../../../lib/lib; inherit seed; };
in
pkgs.callPackage ../../e2e/docker/images.nix { }
