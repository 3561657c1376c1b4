{ lib }:
let
  inherit (builtins) concatStringsSep elem elemAt filter genList head isList isString length match replaceStrings split stringLength substring;
  lowerChars = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upperChars = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  stringToCharacters = s: genList (n: substring n 1 s) (stringLength s);
  stripContext = builtins.unsafeDiscardStringContext;
in
rec {
  inherit (builtins)
    baseNameOf
    concatStringsSep
    dirOf
    fromJSON
    isString
    match
    parseDrvName
    replaceStrings
    split
    storeDir
    stringLength
    substring
    toJSON
    unsafeDiscardStringContext
    ;
  inherit lowerChars upperChars stringToCharacters;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: list: concatStringsSep "" (map f list);
  concatImapStrings = f: list: concatStringsSep "" (lib.imap1 f list);
  concatMapStringsSep = sep: f: list: concatStringsSep sep (map f list);
  concatImapStringsSep = sep: f: list: concatStringsSep sep (lib.imap1 f list);
  concatMapAttrsStringSep = sep: f: set: concatStringsSep sep (lib.mapAttrsToList f set);
  concatLines = concatMapStrings (line: line + "\n");
  intersperse = sep: list:
    if length list < 2 then list
    else builtins.tail (builtins.concatMap (x: [ sep x ]) list);
  replicate = n: s: concatStrings (genList (_: s) n);
  join = concatStringsSep;

  optionalString = condition: s: if condition then s else "";
  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix = suffix: s:
    let
      start = stringLength s - stringLength suffix;
    in
    start >= 0 && substring start (-1) s == suffix;
  hasInfix = infix: s: match ".*${escapeRegex infix}.*" (stripContext "${s}") != null;
  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix = suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  trim = trimWith { start = true; end = true; };
  trimWith = { start ? false, end ? false }: s:
    let
      left = if start then head (match "[ \t\r\n]*(.*)" s) else s;
      # Greedy up to the last character that is not a blank.
      right = match "(.*[^ \t\r\n])[ \t\r\n]*" left;
    in
    if end then (if right == null then "" else head right) else left;

  charToInt =
    let
      table = builtins.listToAttrs (genList (n: { name = substring n 1 asciiPrintable; value = n + 32; }) 95);
    in
    c: table.${c} or { "\t" = 9; "\n" = 10; "\r" = 13; }.${c} or (throw "charToInt: '${c}' is not an ASCII character");

  escape = list: replaceStrings list (map (c: "\\${c}") list);
  escapeC = list: replaceStrings list (map (c: "\\x${lib.toLower (lib.fixedWidthString 2 "0" (lib.toHexString (charToInt c)))}") list);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeURL =
    let
      plain = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
      other = filter (c: !(elem c plain)) (stringToCharacters asciiPrintable);
    in
    replaceStrings other (map (c: "%${lib.fixedWidthString 2 "0" (lib.toHexString (charToInt c))}") other);
  escapeShellArg = arg:
    let
      s = toString arg;
    in
    if match "[[:alnum:],._+:@%/-]+" s == null then "'${replaceStrings [ "'" ] [ "'\\''" ] s}'" else s;
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  escapeNixString = s: escape [ "$" ] (builtins.toJSON s);
  escapeNixIdentifier = s: if match "[a-zA-Z_][a-zA-Z0-9_'-]*" s != null then s else escapeNixString s;
  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
  toShellVar = name: value:
    if lib.isAttrs value && !isStringLike value then
      "declare -A ${name}=(${concatStringsSep " " (lib.mapAttrsToList (n: v: "[${escapeShellArg n}]=${escapeShellArg v}") value)})"
    else if isList value then "declare -a ${name}=(${escapeShellArgs value})"
    else "${name}=${escapeShellArg value}";
  toShellVars = vars: concatStringsSep "\n" (lib.mapAttrsToList toShellVar vars);

  toLower = replaceStrings upperChars lowerChars;
  toUpper = replaceStrings lowerChars upperChars;
  toSentenceCase = s: toUpper (substring 0 1 s) + toLower (substring 1 (-1) s);
  addContextFrom = src: target: substring 0 0 src + target;
  splitString = sep: s:
    map (addContextFrom s) (filter isString (split (escapeRegex (stripContext (toString sep))) (stripContext (toString s))));
  stringAsChars = f: s: concatStrings (map f (stringToCharacters s));
  commonPrefixLength = a: b:
    let
      limit = lib.min (stringLength a) (stringLength b);
      go = n: if n >= limit || substring n 1 a != substring n 1 b then n else go (n + 1);
    in
    go 0;
  isStringLike = value: isString value || builtins.isPath value || value ? outPath || value ? __toString;
  isCoercibleToString = value:
    elem (builtins.typeOf value) [ "path" "string" "null" "int" "float" "bool" ]
    || (isList value && builtins.all isCoercibleToString value)
    || value ? outPath
    || value ? __toString;
  isConvertibleWithToString = isCoercibleToString;
  isStorePath = value:
    isStringLike value
    && (
      let
        s = toString value;
      in
      substring 0 1 s == "/" && dirOf s == builtins.storeDir
    );

  fixedWidthString = width: filler: s:
    let
      missing = width - stringLength s;
    in
    assert lib.assertMsg (missing >= 0) "fixedWidthString: requested string length (${toString width}) must not be shorter than actual length (${toString (stringLength s)})";
    if missing <= 0 then s else filler + fixedWidthString (width - stringLength filler) filler s;
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);
  floatToString = builtins.toString;

  toInt = s:
    let
      parts = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" s;
      zeros = match "[[:space:]]*-?0[[:digit:]]+[[:space:]]*" s;
    in
    if parts == null then throw "toInt: Could not convert ${escapeNixString s} to int."
    else if zeros != null then throw "toInt: Ambiguity in interpretation of ${escapeNixString s} between octal and zero padded integer."
    else builtins.fromJSON (head parts);
  toIntBase10 = s:
    let
      parts = match "[[:space:]]*(-?)0*([[:digit:]]+)[[:space:]]*" s;
    in
    if parts == null then throw "toIntBase10: Could not convert ${escapeNixString s} to int."
    else builtins.fromJSON (concatStrings parts);

  makeSearchPath = subDir: paths: concatStringsSep ":" (map (path: "${path}/${subDir}") (filter (x: x != null) paths));
  makeSearchPathOutput = output: subDir: pkgs: makeSearchPath subDir (map (lib.getOutput output) pkgs);
  makeBinPath = makeSearchPathOutput "bin" "bin";
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  makeIncludePath = makeSearchPathOutput "dev" "include";
  normalizePath = s: replaceStrings [ "//" ] [ "/" ] s;

  nameFromURL = url: sep: head (splitString sep (lib.last (splitString "/" url)));
  sanitizeDerivationName = s:
    let
      clean = concatMapStrings (part: if isList part then "-" else part)
        (split "[^[:alnum:]+._?=-]+" (head (match "\\.*(.*)" (stripContext (toString s)))));
      tooLong = stringLength clean - 207;
      cut = if tooLong > 0 then substring tooLong (-1) clean else clean;
    in
    if cut == "" then "unknown" else cut;
  readPathsFromFile = root: file:
    map (line: root + "/${line}") (filter (line: line != "" && !(hasPrefix "#" line)) (splitString "\n" (builtins.readFile file)));
  fileContents = file: removeSuffix "\n" (builtins.readFile file);

  enableFeature = enable: feature: "--${if enable then "enable" else "disable"}-${feature}";
  enableFeatureAs = enable: feature: value: enableFeature enable feature + optionalString enable "=${value}";
  withFeature = with_: feature: "--${if with_ then "with" else "without"}-${feature}";
  withFeatureAs = with_: feature: value: withFeature with_ feature + optionalString with_ "=${value}";
  cmakeBool = name: value: "-D${name}:BOOL=${if value then "TRUE" else "FALSE"}";
  mesonBool = name: value: "-D${name}=${if value then "true" else "false"}";

  asciiPrintable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

  inherit (lib.versions) versionOlder versionAtLeast getVersion getName;
  fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  fakeSha256 = replicate 64 "0";
  fakeSha512 = replicate 128 "0";
}
