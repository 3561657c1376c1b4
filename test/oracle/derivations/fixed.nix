# Fixed outputs: algorithms, modes, encodings of the hash, and what does or does not depend on them.
{ mk, ... }:
let
  hashes = {
    md5 = "d41d8cd98f00b204e9800998ecf8427e";
    sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
    sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    sha512 = "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";
  };
  fixed = attrs: mk ({ outputHashAlgo = "sha256"; outputHash = hashes.sha256; } // attrs);
  algos = builtins.attrNames hashes;
  each = f: builtins.listToAttrs (map f algos);
in
each (algo: {
  name = "flat-${algo}";
  value = mk { outputHashAlgo = algo; outputHash = hashes.${algo}; outputHashMode = "flat"; };
})
// each (algo: {
  name = "recursive-${algo}";
  value = mk { outputHashAlgo = algo; outputHash = hashes.${algo}; outputHashMode = "recursive"; };
})
// each (algo: {
  name = "default-${algo}";
  value = mk { outputHashAlgo = algo; outputHash = hashes.${algo}; };
})
// each (algo: {
  name = "used-flat-${algo}";
  value = mk { src = mk { name = "src"; outputHashAlgo = algo; outputHash = hashes.${algo}; }; };
})
// each (algo: {
  name = "used-recursive-${algo}";
  value = mk { src = mk { name = "src"; outputHashAlgo = algo; outputHash = hashes.${algo}; outputHashMode = "recursive"; }; };
})
// {
  nix32 = fixed { outputHash = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"; };
  nix32Sha1 = mk { outputHashAlgo = "sha1"; outputHash = "143xibwh31h9bvxzalr0sjvbbvpa6ffs"; };
  nix32Sha512 = mk {
    outputHashAlgo = "sha512";
    outputHash = "0zdl9zrg8r3i9c1g90lgg9ip5ijzv3yhz91i0zzn3r8ap9ws784gkp9dk9j3aglhgf1amqb0pj21mh7h1nxcl18akqvvf7ggqsy30yg";
  };
  base64 = fixed { outputHash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  prefixed = fixed { outputHash = "sha256:${hashes.sha256}"; };
  prefixedNoAlgo = mk { outputHash = "sha256:${hashes.sha256}"; };
  sri = mk { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  sriEmptyAlgo = mk { outputHashAlgo = ""; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  sriNullAlgo = mk { outputHashAlgo = null; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  sriSameAlgo = fixed { outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  sriSha512 = mk {
    outputHash = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
    outputHashMode = "recursive";
  };
  sriSha1 = mk { outputHash = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="; };
  sriMd5 = mk { outputHash = "md5-1B2M2Y8AsgTpgAmY7PhCfg=="; };
  upperCaseHex = fixed { outputHash = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"; };
  explicitOutputs = fixed { outputs = [ "out" ]; };
  withDependencies = fixed { tool = mk { name = "tool"; }; };
  # The same output by other means: the path stays, the derivation changes.
  sameByOtherMeans = fixed { tool = mk { name = "another-tool"; }; urls = [ "http://a" "http://b" ]; };
  otherName = fixed { name = "y"; };
  emptyHash = fixed { outputHash = ""; };
  fakeHash = fixed { outputHash = "0000000000000000000000000000000000000000000000000000000000000000"; };
  contentAddressedIgnored = fixed { __contentAddressed = false; };
  fetchurlLike = import <nix/fetchurl.nix> {
    url = "http://example.org/hello-2.12.tar.gz";
    sha256 = "1ayhp9v4m4rdhjmnl2bq3cibrbqqkgjbl3s7yk2nhlh8vj3ay16g";
  };
  fetchurlUnpack = import <nix/fetchurl.nix> {
    url = "http://example.org/hello.nar.xz";
    hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    unpack = true;
    name = "hello";
  };
  fetchurlExecutable = import <nix/fetchurl.nix> {
    url = "http://example.org/busybox";
    sha1 = hashes.sha1;
    executable = true;
    system = "ignored";
  };
  fetchurlMd5 = import <nix/fetchurl.nix> { url = "http://example.org/a"; inherit (hashes) md5; };
  fetchurlSha512 = import <nix/fetchurl.nix> { url = "http://example.org/a"; inherit (hashes) sha512; };
  structured = mk {
    __structuredAttrs = true;
    outputHashAlgo = "sha256";
    outputHash = hashes.sha256;
    outputHashMode = "recursive";
  };
  usesStructured = mk {
    dep = mk { __structuredAttrs = true; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; };
  };
}
