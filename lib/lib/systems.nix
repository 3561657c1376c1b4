{ lib }:
{
  # What package expressions ask of stdenv.hostPlatform; `system` as in builtins.currentSystem.
  elaborate = system:
    let
      parts = lib.splitString "-" system;
      cpu = builtins.head parts;
      kernel = lib.last parts;
      isLinux = kernel == "linux";
    in
    {
      inherit system isLinux;
      config = if isLinux then "${cpu}-unknown-linux-gnu" else "${cpu}-apple-${kernel}";
      parsed = {
        cpu = { name = cpu; bits = if builtins.elem cpu [ "i686" "armv6l" "armv7l" ] then 32 else 64; };
        kernel.name = kernel;
      };
      isDarwin = kernel == "darwin";
      isUnix = true;
      isWindows = false;
      isGnu = isLinux;
      isMusl = false;
      isStatic = false;
      isx86_64 = cpu == "x86_64";
      isi686 = cpu == "i686";
      isx86_32 = cpu == "i686";
      isx86 = cpu == "x86_64" || cpu == "i686";
      isAarch64 = cpu == "aarch64";
      isAarch32 = builtins.elem cpu [ "armv6l" "armv7l" ];
      isAarch = builtins.elem cpu [ "aarch64" "armv6l" "armv7l" ];
      isRiscV = cpu == "riscv64";
      is64bit = !(builtins.elem cpu [ "i686" "armv6l" "armv7l" ]);
      is32bit = builtins.elem cpu [ "i686" "armv6l" "armv7l" ];
      isLittleEndian = true;
      isBigEndian = false;
      extensions = { executable = ""; sharedLibrary = ".so"; staticLibrary = ".a"; };
      goarch = { x86_64 = "amd64"; i686 = "386"; aarch64 = "arm64"; armv6l = "arm"; armv7l = "arm"; riscv64 = "riscv64"; }.${cpu} or cpu;
      linuxArch = { aarch64 = "arm64"; }.${cpu} or cpu;
    };
}
