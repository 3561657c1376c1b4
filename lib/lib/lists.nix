{ lib }:
let
  inherit (builtins) elem elemAt filter genList head length tail;
in
rec {
  inherit (builtins) any all concatLists concatMap elem elemAt filter foldl' genList head isList length map partition groupBy sort tail;

  singleton = x: [ x ];
  optional = condition: x: if condition then [ x ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  toList = x: if builtins.isList x then x else [ x ];
  range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);
  replicate = n: x: genList (_: x) n;
  forEach = list: f: map f list;
  remove = x: filter (y: y != x);

  foldr = op: nul: list:
    let
      from = n: if n == length list then nul else op (elemAt list n) (from (n + 1));
    in
    from 0;
  fold = foldr;
  foldl = op: nul: list:
    let
      upTo = n: if n == -1 then nul else op (upTo (n - 1)) (elemAt list n);
    in
    upTo (length list - 1);

  imap0 = f: list: genList (n: f n (elemAt list n)) (length list);
  imap1 = f: list: genList (n: f (n + 1) (elemAt list n)) (length list);
  ifilter0 = p: list: map (n: elemAt list n) (filter (n: p n (elemAt list n)) (genList (n: n) (length list)));

  flatten = x: if builtins.isList x then builtins.concatMap flatten x else [ x ];
  count = p: builtins.foldl' (n: x: if p x then n + 1 else n) 0;

  findFirst = p: default: list:
    let
      found = filter p list;
    in
    if found == [ ] then default else head found;
  findSingle = p: none: many: list:
    let
      found = filter p list;
    in
    if found == [ ] then none else if length found == 1 then head found else many;
  findFirstIndex = p: default: list:
    let
      found = filter (n: p (elemAt list n)) (genList (n: n) (length list));
    in
    if found == [ ] then default else head found;

  last = list:
    assert lib.assertMsg (list != [ ]) "lists.last: list must not be empty!";
    elemAt list (length list - 1);
  init = list:
    assert lib.assertMsg (list != [ ]) "lists.init: list must not be empty!";
    take (length list - 1) list;
  reverseList = list:
    let
      count = length list;
    in
    genList (n: elemAt list (count - n - 1)) count;
  sublist = start: count: list:
    let
      available = length list - start;
    in
    genList (n: elemAt list (start + n)) (if available <= 0 then 0 else if count < available then count else available);
  take = sublist 0;
  takeEnd = n: list: drop (lib.max 0 (length list - n)) list;
  drop = count: list: sublist count (length list) list;
  dropEnd = n: list: take (lib.max 0 (length list - n)) list;
  hasPrefix = prefix: list: take (length prefix) list == prefix;
  removePrefix = prefix: list:
    if hasPrefix prefix list then drop (length prefix) list
    else throw "lists.removePrefix: First argument is not a list prefix of the second argument";

  intersectLists = a: filter (x: elem x a);
  subtractLists = a: filter (x: !(elem x a));
  mutuallyExclusive = a: b: length a == 0 || !(builtins.any (x: elem x a) b);
  unique = builtins.foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  allUnique = list: length (unique list) == length list;

  zipListsWith = f: a: b:
    genList (n: f (elemAt a n) (elemAt b n)) (lib.min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists = f: builtins.foldl' (fs: args: builtins.concatMap (f': map f' args) fs) [ f ];
  cartesianProduct = sets:
    builtins.foldl' (combinations: name: builtins.concatMap (set: map (value: set // { ${name} = value; }) sets.${name}) combinations)
      [ { } ]
      (builtins.attrNames sets);

  groupBy' = op: nul: key: list: builtins.mapAttrs (_: builtins.foldl' op nul) (builtins.groupBy key list);

  compareLists = compare: a: b:
    if a == [ ] then (if b == [ ] then 0 else -1)
    else if b == [ ] then 1
    else
      let
        first = compare (head a) (head b);
      in
      if first == 0 then compareLists compare (tail a) (tail b) else first;
  naturalSort = list:
    let
      # Numbers compare by value: pad them to one width.
      vectorise = s: map (part: if builtins.isList part then lib.toIntBase10 (head part) else part) (builtins.split "(0|[1-9][0-9]*)" s);
      prepared = map (x: [ (vectorise x) x ]) list;
      less = a: b: compareLists lib.compare (head a) (head b) < 0;
    in
    map (x: elemAt x 1) (builtins.sort less prepared);
  sortOn = key: list:
    map (x: elemAt x 1) (builtins.sort (a: b: head a < head b) (map (x: [ (key x) x ]) list));

  # Topological sort: `before a b` says that a must come before b.
  listDfs = stopOnCycles: before: list:
    let
      visit = us: visited: rest:
        let
          c = filter (x: before x us) visited;
          b = builtins.partition (x: before x us) rest;
        in
        if stopOnCycles && c != [ ] then { cycle = us; loops = c; inherit visited rest; }
        else if b.right == [ ] then { minimal = us; inherit visited rest; }
        else visit (head b.right) ([ us ] ++ visited) (tail b.right ++ b.wrong);
    in
    visit (head list) [ ] (tail list);
  toposort = before: list:
    let
      dfs = listDfs true before list;
      rest = toposort before (dfs.visited ++ dfs.rest);
    in
    if length list < 2 then { result = list; }
    else if dfs ? cycle then { cycle = reverseList ([ dfs.cycle ] ++ dfs.visited); inherit (dfs) loops; }
    else if rest ? cycle then rest
    else { result = [ dfs.minimal ] ++ rest.result; };
}
