{ lib }:
rec {
  addMetaAttrs = new: drv: drv // { meta = (drv.meta or { }) // new; };
  setName = name: drv: drv // { inherit name; };
  updateName = f: drv: drv // { name = f drv.name; };
  appendToName = suffix: updateName (name:
    let
      parsed = builtins.parseDrvName name;
    in
    "${parsed.name}-${suffix}-${parsed.version}");
  lowPrio = addMetaAttrs { priority = 10; };
  hiPrio = addMetaAttrs { priority = -10; };
  setPrio = priority: addMetaAttrs { inherit priority; };
  getExe = drv: getExe' drv (drv.meta.mainProgram or (lib.getName drv));
  getExe' = drv: program: "${lib.getBin drv}/bin/${program}";
}
