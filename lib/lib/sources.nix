{ lib }:
rec {
  pathType = path: (builtins.readDir (dirOf path)).${baseNameOf path};
  pathIsDirectory = path: builtins.pathExists path && pathType path == "directory";
  pathIsRegularFile = path: builtins.pathExists path && pathType path == "regular";

  cleanSourceFilter = path: type:
    let
      name = baseNameOf (toString path);
    in
    !(
      name == ".git" || name == ".svn" || name == "CVS" || name == ".hg"
      || lib.hasSuffix "~" name
      || builtins.match "\\.sw[a-z]|\\..*\\.sw[a-z]" name != null
      || (type == "symlink" && lib.hasPrefix "result" name)
    );
  cleanSource = src: cleanSourceWith { inherit src; filter = cleanSourceFilter; };
  cleanSourceWith = { src, filter ? (_: _: true), name ? null }:
    let
      isFiltered = src ? _isLibCleanSourceWith;
      origSrc = if isFiltered then src.origSrc else src;
      both = if isFiltered then (path: type: filter path type && src.filter path type) else filter;
      name' = if name != null then name else if isFiltered then src.name else baseNameOf (toString src);
    in
    {
      inherit origSrc;
      filter = both;
      name = name';
      outPath = builtins.path { path = origSrc; filter = both; name = name'; };
      _isLibCleanSourceWith = true;
    };
  sourceByRegex = src: regexes:
    let
      root = toString (src.origSrc or src);
    in
    cleanSourceWith {
      inherit src;
      filter = path: type: builtins.any (regex: builtins.match regex (lib.removePrefix "${root}/" (toString path)) != null) regexes;
    };
  sourceFilesBySuffices = src: suffixes:
    cleanSourceWith {
      inherit src;
      filter = path: type: type == "directory" || builtins.any (suffix: lib.hasSuffix suffix (baseNameOf path)) suffixes;
    };
}
