let
  set = { count = 1; counts = 2; other = 3; };
in
{ result = set.coun; }
