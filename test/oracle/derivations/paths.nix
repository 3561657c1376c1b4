# Files and trees that evaluation copies to the store.
{ mk, fixtures, ... }:
let
  at = name: fixtures + "/${name}";
  tree = at "tree";
in
{
  file = mk { src = at "file.txt"; };
  executable = mk { src = at "script.sh"; };
  emptyFile = mk { src = at "empty"; };
  bigFile = mk { src = at "big.bin"; };
  directory = mk { src = tree; };
  emptyDirectory = mk { src = at "empty-dir"; };
  symlink = mk { src = at "link"; };
  danglingSymlink = mk { src = at "dangling"; };
  throughSymlink = mk { src = at "tree-link/sub/deep.txt"; };
  sortedNames = mk { src = at "names"; };
  oddNames = mk { src = at "odd"; };
  inArgs = mk { args = [ (at "script.sh") ]; };
  asBuilder = mk { builder = at "script.sh"; };
  inList = mk { srcs = [ (at "file.txt") (at "script.sh") tree ]; };
  interpolated = mk { src = "${tree}/sub/deep.txt"; };
  concatenated = mk { src = "pre " + at "file.txt"; };
  pathPlus = mk { src = tree + "/sub"; };
  pathPlusPath = mk { src = at "tree" + /sub/deep.txt; };
  asText = mk { src = toString (at "file.txt"); };
  sameTwice = mk { a = at "file.txt"; b = "${at "file.txt"}"; };
  json = mk { x = builtins.toJSON { src = at "file.txt"; }; };
  outPathIsPath = mk { src = { outPath = at "file.txt"; }; };
  readFile = mk { text = builtins.readFile (at "file.txt"); };
  readDir = mk { names = builtins.attrNames (builtins.readDir tree); types = builtins.attrValues (builtins.readDir tree); };
  hashFile = mk { hash = builtins.hashFile "sha256" (at "big.bin"); };
  fileType = mk { exists = builtins.pathExists (at "nothing"); dangling = builtins.pathExists (at "dangling"); };

  filterAll = mk { src = builtins.filterSource (path: type: true) tree; };
  filterNothing = mk { src = builtins.filterSource (path: type: false) tree; };
  filterNoDirs = mk { src = builtins.filterSource (path: type: type != "directory") tree; };
  filterNoLinks = mk { src = builtins.filterSource (path: type: type != "symlink") tree; };
  filterByName = mk { src = builtins.filterSource (path: type: baseNameOf path != "sub") tree; };
  filterBySuffix = mk {
    src = builtins.filterSource (path: type: type == "directory" || builtins.match ".*\\.txt" path != null) tree;
  };
  filterFile = mk { src = builtins.filterSource (path: type: false) (at "file.txt"); };

  path = mk { src = builtins.path { path = tree; }; };
  pathNamed = mk { src = builtins.path { path = tree; name = "renamed"; }; };
  pathFiltered = mk {
    src = builtins.path { path = tree; filter = path: type: builtins.match ".*/deep.txt" path == null; name = "source"; };
  };
  pathFlat = mk { src = builtins.path { path = at "file.txt"; recursive = false; }; };
  pathFlatNamed = mk { src = builtins.path { path = at "script.sh"; recursive = false; name = "flat"; }; };
  pathRecursiveFile = mk { src = builtins.path { path = at "file.txt"; recursive = true; }; };
  pathSha256 = mk {
    src = builtins.path {
      path = at "file.txt";
      recursive = false;
      sha256 = builtins.hashFile "sha256" (at "file.txt");
    };
  };
  pathString = mk { src = builtins.path { path = toString tree; name = "from-string"; }; };
  pathContext = mk { src = builtins.path { path = at "odd"; name = "odd"; }; other = at "file.txt"; };
  toPath = mk { src = builtins.toPath (toString (at "file.txt")); };
}
