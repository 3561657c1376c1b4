# What hash modulo makes of graphs: chains, fan-in, inputs that collapse because only their provenance differs.
{ mk, ... }:
let
  empty = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  range = builtins.genList (i: i);
  fetch = mirror: mk { name = "source"; url = mirror; outputHash = empty; };
  chain = n: builtins.foldl' (dep: i: mk { name = "chain-${toString i}"; inherit dep; }) (mk { name = "chain"; }) (range n);
  # The same but for how their source is fetched: equal output paths, different derivations.
  user = mirror: mk { name = "user"; src = fetch mirror; outputs = [ "out" "dev" ]; };
  one = user "http://one";
  two = user "http://two";
in
{
  chain1 = chain 1;
  chain10 = chain 10;
  chain200 = chain 200;
  fanIn = mk { deps = map (i: mk { name = "leaf-${toString i}"; }) (range 100); };
  fanInFixed = mk { deps = map (i: mk { name = "leaf-${toString i}"; outputHash = empty; }) (range 50); };
  diamond =
    let
      top = mk { name = "top"; };
      left = mk { name = "left"; inherit top; };
      right = mk { name = "right"; inherit top; };
    in
    mk { inherit left right top; };
  fixedOne = fetch "http://one";
  fixedTwo = fetch "http://two";
  bothFetches = mk { a = fetch "http://one"; b = fetch "http://two"; };
  userOne = one;
  userTwo = two;
  # Inputs with equal hashes modulo collapse to one entry with the union of their outputs.
  collapse = mk { a = one; b = two; };
  collapseOutputs = mk { a = one.out; b = two.dev; };
  collapseSame = mk { a = one.dev; b = two.dev; };
  collapseUnion = mk { a = one.dev; b = two.out; c = one.out; };
  aboveCollapse = mk { dep = mk { name = "collapsed"; a = one.out; b = two.dev; }; };
  aboveEither = mk { dep = mk { name = "either"; dep = one; }; };
  sameOutAsOne = mk { dep = mk { name = "either"; dep = two; }; };
  deepOfCollapse = mk { drv = (mk { name = "collapsed"; a = one; b = two; }).drvPath; };
  fixedAboveChain = mk { dep = chain 5; outputHash = empty; };
  aboveFixedAboveChain = mk { src = mk { name = "f"; dep = chain 5; outputHash = empty; }; };
  layers = builtins.foldl' (deps: layer: mk { name = "layer-${toString layer}"; deps = map (i: mk { name = "n-${toString layer}-${toString i}"; inherit deps; }) (range 4); }) (mk { name = "base"; }) (range 6);
  selfNamed = mk { name = "x"; dep = mk { name = "x"; marker = 1; }; };
}
