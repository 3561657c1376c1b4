# Packages for nix-env: versions, priorities, outputs, and what may stand in meta.
{
  more ? "",
}:
let
  script = ''
    PATH=/bin:/usr/bin
    for output in $outputs; do
      eval "dir=\$$output"
      mkdir -p $dir/bin
      echo $name > $dir/bin/''${name%-*}-$output
    done
    mkdir -p $out/share
    echo $name > $out/share/$same
  '';
  mk =
    name: attrs:
    derivation (
      {
        inherit name;
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [
          "-c"
          script
        ];
        same = name;
        outputs = [ "out" ];
      }
      // removeAttrs attrs [ "meta" ]
    )
    // {
      meta = attrs.meta or { };
    };
in
{
  hello-1 = mk "hello-1.0" {
    meta = rec {
      description = "Says \"hello\"\n & \${more} <than that>";
      license = [
        "a"
        { x = 1; }
      ];
      same = license;
      n = 1.5;
      t = true;
    };
  };
  hello-2 = mk "hello-2.0pre1" {
    meta.platforms = [
      "x"
      "y"
    ];
  };
  hello-3 = mk "hello-2.0" { meta.f = x: x; };
  low = mk "low-1" {
    same = "same";
    meta.priority = 10;
  };
  high = mk "high-1${more}" {
    same = "same";
    meta.priority = "3";
  };
  equal = mk "equal-1" {
    same = "same";
    meta.priority = 3;
  };
  multi = mk "multi-0.1" {
    outputs = [
      "out"
      "dev"
      "man"
    ];
    meta.outputsToInstall = [
      "out"
      "man"
    ];
  };
  Upper = mk "Upper-3" { };
  set = {
    recurseForDerivations = true;
    inner = mk "inner-7" { meta.keep = true; };
  };
  hidden.no = mk "hidden-1" { };
  broken = mk (
    assert false;
    "broken"
  ) { };
  function =
    {
      a ? 1,
    }:
    mk "function-${toString a}" { };
}
