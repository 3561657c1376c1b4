# Fixed-output downloads on builders of this process. fetchurl is Nix's own builtin:fetchurl (<nix/fetchurl.nix>), so
# its store paths are those of any Nix with the same name and hash.
{ lib, system, native }:
let
  hashArgs = { hash ? "", outputHash ? "", outputHashAlgo ? "", md5 ? "", sha1 ? "", sha256 ? "", sha512 ? "" }:
    if hash != "" then { outputHash = hash; outputHashAlgo = null; }
    else if outputHash != "" then { inherit outputHash; outputHashAlgo = if outputHashAlgo == "" then null else outputHashAlgo; }
    else if sha512 != "" then { outputHash = sha512; outputHashAlgo = "sha512"; }
    else if sha256 != "" then { outputHash = sha256; outputHashAlgo = "sha256"; }
    else if sha1 != "" then { outputHash = sha1; outputHashAlgo = "sha1"; }
    else if md5 != "" then { outputHash = md5; outputHashAlgo = "md5"; }
    else throw "fetchurl requires a hash for fixed-output derivation";
  hashNames = [ "hash" "outputHash" "outputHashAlgo" "md5" "sha1" "sha256" "sha512" ];
  hashOf = args: hashArgs (lib.filterAttrs (name: _: builtins.elem name hashNames) args);
in
rec {
  fetchurl = { url ? builtins.head urls, urls ? [ ], name ? baseNameOf (toString url), executable ? false, meta ? { }, passthru ? { }, ... }@args:
    let
      drv = derivation (hashOf args // {
        inherit name url executable;
        builder = "builtin:fetchurl";
        system = "builtin";
        outputHashMode = if executable then "recursive" else "flat";
        unpack = false;
        preferLocalBuild = true;
        impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "NIX_SSL_CERT_FILE" ];
        urls = [ url ];
        __ignoreNulls = true;
      });
    in
    lib.extendDerivation true ({ inherit meta passthru url; urls = [ url ]; } // passthru) drv;

  # A tar or zip archive, unpacked; its single top directory is taken away (stripRoot).
  fetchzip = { url ? builtins.head urls, urls ? [ ], name ? "source", stripRoot ? true, meta ? { }, passthru ? { }, ... }@args:
    native "fetch-archive" (hashOf args // {
      inherit name url meta passthru;
      stripRoot = if stripRoot then "1" else "";
      outputHashMode = "recursive";
      impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "NIX_SSL_CERT_FILE" ];
    });
  fetchTarball = fetchzip;

  fetchFromGitHub = { owner, repo, rev ? null, tag ? null, name ? "source", githubBase ? "github.com", ... }@args:
    fetchzip ({
      inherit name;
      url = "https://${githubBase}/${owner}/${repo}/archive/${if tag != null then "refs/tags/${tag}" else rev}.tar.gz";
    } // lib.filterAttrs (n: _: builtins.elem n (hashNames ++ [ "meta" "passthru" ])) args);
  fetchFromGitLab = { owner, repo, rev, domain ? "gitlab.com", name ? "source", ... }@args:
    fetchzip ({
      inherit name;
      url = "https://${domain}/api/v4/projects/${owner}%2F${repo}/repository/archive.tar.gz?sha=${rev}";
    } // lib.filterAttrs (n: _: builtins.elem n (hashNames ++ [ "meta" "passthru" ])) args);
}
