let
  n = "inner";
in
[
  "plain \${n} $${n} \n \" \\ $ ${n}"
  ''
    first ${n}
      second ''${n} '''quotes''' ''\t$$

    third
  ''
  '' on one line ''
  ./path/${n}/../file
  <search/path>
  http://a.uri/x?y=z
]
