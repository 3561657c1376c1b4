{ z, y ? z, ... }@all: x: { }: args@{ b, a ? x }: { ... }: with all; assert a; if b then y else args
