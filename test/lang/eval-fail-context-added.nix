builtins.addErrorContext "while computing the answer" (1 + (builtins.foldl' (a: b: a + b) 0 [ 1 2 "x" ]))
