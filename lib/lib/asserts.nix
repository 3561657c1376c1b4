{ lib }:
rec {
  assertMsg = predicate: message: predicate || throw message;
  assertOneOf = name: value: allowed:
    assertMsg (builtins.elem value allowed)
      "${name} must be one of ${lib.generators.toPretty { multiline = false; } allowed}, but is: ${lib.generators.toPretty { multiline = false; } value}";
}
