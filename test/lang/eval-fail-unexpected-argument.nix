({ first, second ? 2 }: first + second) { first = 1; secnd = 3; }
