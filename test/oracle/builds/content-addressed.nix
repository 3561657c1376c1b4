# Content-addressed derivations and what depends on them. `seed` changes derivations, not what they make.
{
  busybox,
  system,
  seed ? "",
}:
let
  base = {
    inherit system seed;
    builder = "${busybox}/bin/sh";
    PATH = "${busybox}/bin";
  };
  floating =
    name: script: more:
    derivation (
      base
      // {
        inherit name;
        args = [
          "-ec"
          script
        ];
        __contentAddressed = true;
        outputHashMode = "recursive";
        outputHashAlgo = "sha256";
      }
      // more
    );
  plain =
    name: script: more:
    derivation (
      base
      // {
        inherit name;
        args = [
          "-ec"
          script
        ];
      }
      // more
    );
in
rec {
  a = floating "a" "echo hi > $out" { };
  self = floating "self" "mkdir $out; echo $out > $out/self; ln -s $out/self $out/l; echo $out $out > $out/twice" { };
  outputs = floating "outputs" "echo $dev > $out; echo dev $doc > $dev; echo doc > $doc; chmod +x $doc" {
    outputs = [
      "out"
      "dev"
      "doc"
    ];
  };
  flat = floating "flat" "echo flat > $out" { outputHashMode = "flat"; };
  sha512 = floating "sha512" "echo recursive > $out" { outputHashAlgo = "sha512"; };
  # 2.8 names a path of the host in NIX_ATTRS_JSON_FILE.
  structured = floating "structured" "" {
    __structuredAttrs = true;
    args = [
      "-ec"
      "PATH=${busybox}/bin; grep -o '/nix/store/[^\"]*-structured' /build/.attrs.json | { read o; cat ${a} > $o; }"
    ];
  };
  top = floating "top" "cat ${a} ${self}/self > $out; echo ${outputs} ${outputs.dev} >> $out" { };
  # Input-addressed, but nobody knows the address before the inputs are built.
  deferred = plain "deferred" "cat ${top} > $out; echo $out >> $out; echo $dev > $dev" {
    outputs = [
      "out"
      "dev"
    ];
  };
  above = plain "above" "cat ${deferred} > $out; echo ${a} ${deferred.dev} >> $out" { asFile = "${a}"; passAsFile = [ "asFile" ]; };
  overFixed = floating "over-fixed" "echo ${fixedFlat} > $out" { };
  fixedFlat = plain "fixed-flat" "cat ${a} > $out" {
    outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "hi\n";
  };
  all = [
    a
    self
    outputs
    outputs.dev
    outputs.doc
    flat
    sha512
    structured
    top
    deferred
    deferred.dev
    above
    overFixed
  ];
}
