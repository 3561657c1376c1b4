let
  x = "let";
  set = { x = "with"; y = "with"; };
in
[
  (with set; x)
  (with set; y)
  (with set; with { y = "inner"; }; y)
  (rec { x = "rec"; y = x; }).y
  (let inherit (set) x; in x)
  (({ x, y ? x }: y) { x = "formal"; })
  ((args@{ a ? 1, ... }: args ? a) { b = 2; })
]
