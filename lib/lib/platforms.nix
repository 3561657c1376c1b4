{ lib }:
rec {
  linux = [ "aarch64-linux" "armv6l-linux" "armv7l-linux" "i686-linux" "riscv64-linux" "x86_64-linux" ];
  darwin = [ "aarch64-darwin" "x86_64-darwin" ];
  unix = linux ++ darwin;
  all = unix;
  gnu = linux;
  none = [ ];
  x86_64 = [ "x86_64-linux" "x86_64-darwin" ];
  aarch64 = [ "aarch64-linux" "aarch64-darwin" ];
}
