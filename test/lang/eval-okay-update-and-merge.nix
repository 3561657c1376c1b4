{ a.b = 1; a.c = 2; } // { a = { d = 3; }; } // rec { e = f; f = "x" + toString 4; }
