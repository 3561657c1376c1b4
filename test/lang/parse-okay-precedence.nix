# From the loosest operator to the tightest, and what the tightest prefix does not reach.
[
  (a: b: !a -> b || a && b == a)
  (a: b: a < b // a + b * a ++ b ? c)
  (a: -a.b ? c - -a)
  (a: c: d: a.b or c d)
  (c: d: [ c d.e (c d) ] ++ c d)
]
