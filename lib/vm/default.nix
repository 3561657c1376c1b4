# nixpkgs' vmTools without a virtual machine: "in a VM" means the sandbox's vm mode, a namespace with mapped root,
# capabilities and mounts of its own (src/build/sandbox). Scripts written for the VM run unchanged: stand-ins for the
# few programs that would touch a disk come first on PATH.
{ lib, bash, coreutils, utillinux, fakeroot, gnused, runCommandLocal, writeTextFile, native }:
let
  # The disk's device name, as in /dev/vda.
  hd = "vda";
in
rec {
  inherit hd;
}
