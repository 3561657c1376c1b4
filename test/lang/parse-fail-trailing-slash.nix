import ./dir/
