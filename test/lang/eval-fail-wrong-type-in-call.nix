let
  double = x: x + x;
  apply = f: f { };
in
apply (y: builtins.length (double y))
