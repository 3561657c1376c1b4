{
  text = "no end ${toString 1};
}
