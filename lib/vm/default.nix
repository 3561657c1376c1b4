# nixpkgs' vmTools without a virtual machine: "in a VM" means the sandbox's vm mode, a namespace with mapped root,
# capabilities and mounts of its own (src/build/sandbox). Scripts written for the VM run unchanged: stand-ins for the
# few programs that would touch a disk come first on PATH. Where the sandbox has a single id (an ordinary user without
# a range in /etc/subuid), fakeroot remembers owners and an overlay in user space keeps them.
{ lib, bash, coreutils, findutils, utillinux, fakeroot, linkFarm, writeTextFile }:
let
  # The disk's device name, as in /dev/vda.
  hd = "vda";

  script = scriptWith { inherit overlay; };
  # The values may be null (no fakeroot here).
  scriptWith = extra: name: file:
    let
      values = { inherit bash coreutils findutils utillinux fakeroot hd; } // extra;
      names = builtins.attrNames values;
    in
    writeTextFile {
      inherit name;
      executable = true;
      text = builtins.replaceStrings (map (value: "@${value}@") names) (map (value: toString values.${value}) names) (builtins.readFile file);
    };
  mknod = scriptWith { } "mknod" ./mknod.sh;
  overlay = scriptWith { inherit mknod; } "overlay-in-user-space" ./overlay.sh;
  runner = script "vm-run" ./run.sh;

  standIns = linkFarm "vm-stand-ins" (
    {
      "bin/mknod" = mknod;
      "bin/mount" = script "mount" ./mount.sh;
      "bin/umount" = script "umount" ./umount.sh;
      "bin/unshare" = script "unshare" ./unshare.sh;
    }
    // lib.genAttrs (map (name: "bin/${name}") [ "mkfs" "mke2fs" "mkfs.ext2" "mkfs.ext3" "mkfs.ext4" "mkfs.xfs" "mkfs.btrfs" "mkswap" ])
      (_: script "mkfs" ./mkfs.sh)
  );
in
{
  inherit hd standIns;

  # For preVM: the size in MiB of the disk that `mount /dev/vda` gives.
  createEmptyImage = { size, fullName }: ''
    export diskSize=${toString size}
    export diskName=${lib.escapeShellArg fullName}
  '';

  # The same derivation, built as root of a machine of its own. `preVM` and `postVM` run before and after, outside the
  # build's own environment, as they do in nixpkgs; `memSize` and `QEMU_OPTS` mean nothing here.
  runInLinuxVM = drv: lib.overrideDerivation drv (old: {
    requiredSystemFeatures = (old.requiredSystemFeatures or [ ]) ++ [ "tsnix-vm" ];
    builder = "${bash}/bin/bash";
    args = [ "-e" runner ];
    origBuilder = old.builder;
    origArgs = old.args or [ ];
    nativeBuildInputs = [ standIns ] ++ (old.nativeBuildInputs or [ ]);
  });
}
