{ lib }:
rec {
  traceIf = condition: message: x: if condition then builtins.trace message x else x;
  traceVal = x: builtins.trace x x;
  traceValFn = f: x: builtins.trace (f x) x;
  traceSeq = x: builtins.trace (builtins.deepSeq x x);
  traceValSeq = x: builtins.trace (builtins.deepSeq x x) x;
  traceValSeqFn = f: x: traceValSeq (f x);
  traceFnSeqN = _: _: f: f;
  runTests = tests:
    builtins.concatLists (lib.mapAttrsToList (name: test:
      lib.optional (test.expr != test.expected && lib.hasPrefix "test" name) {
        inherit name;
        inherit (test) expected;
        result = test.expr;
      }) tests);
}
