{ lib }:
rec {
  splitVersion = builtins.splitVersion;
  major = v: builtins.elemAt (splitVersion v) 0;
  minor = v: builtins.elemAt (splitVersion v) 1;
  patch = v: builtins.elemAt (splitVersion v) 2;
  majorMinor = v: lib.concatStringsSep "." (lib.take 2 (splitVersion v));
  pad = n: v:
    let
      split = builtins.match "([^-]*)(-.*)?" v;
      parts = lib.splitString "." (builtins.head split);
      suffix = builtins.elemAt split 1;
    in
    lib.concatStringsSep "." (lib.take n (parts ++ lib.lists.replicate n "0")) + (if suffix == null then "" else suffix);

  versionOlder = v1: v2: builtins.compareVersions v2 v1 == 1;
  versionAtLeast = v1: v2: !(versionOlder v1 v2);
  getName = x: if builtins.isString x then (builtins.parseDrvName x).name else x.pname or (builtins.parseDrvName x.name).name;
  getVersion = x: if builtins.isString x then (builtins.parseDrvName x).version else x.version or (builtins.parseDrvName x.name).version;
}
