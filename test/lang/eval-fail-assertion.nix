let check = { version, ... }: assert version > 2 && version != 3; version; in check { version = 3; extra = [ ]; }
