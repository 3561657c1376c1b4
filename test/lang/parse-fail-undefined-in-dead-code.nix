if true then 1 else {
  nested = x: [ y ];
}
