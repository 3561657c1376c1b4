# Two images that differ in one setting and one package.
{ dockerTools, bash, runCommand, version ? "1" }:
let
  greeting = runCommand "greeting-${version}" { } "mkdir -p $out/share; echo hello ${version} > $out/share/greeting";
in
{
  image = dockerTools.buildLayeredImage {
    name = "demo";
    tag = "v${version}";
    contents = [ bash greeting ];
    config = { Cmd = [ "/bin/bash" ]; Env = [ "PATH=/bin" "VERSION=${version}" ]; User = "1000"; };
    extraCommands = "mkdir -m 1777 tmp";
  };
}
