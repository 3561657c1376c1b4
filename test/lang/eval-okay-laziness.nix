let
  never = throw "must not be looked at";
  set = { inherit never; fine = 1; };
in
{
  attr = set.fine;
  default = set.missing or 2;
  names = builtins.attrNames set;
  list = builtins.length [ never never ];
  ignored = (x: 3) never;
  and = false && never;
  recursive = rec { a = b; b = 4; }.a;
}
