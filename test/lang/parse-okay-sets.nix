{
  a = rec { e = f; f = 3; };
  a.b.c = 1;
  a.b.d = f;
  "quoted name".${"static"} = { };
  inherit ({ x = 1; or = 2; }) x or;
  inherit ({ y = 1; }) y;
  inherit;
  ${"dyn" + "amic"}.z = let { body = 1; };
}
