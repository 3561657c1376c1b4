# First images, for `tsnix build -A images.NAME` without a file: host programs by content and nothing else.
{ dockerTools, bash, coreutils, hello }:
{
  bash = dockerTools.buildLayeredImage {
    name = "bash";
    tag = "latest";
    contents = [ bash coreutils ];
    config = {
      Cmd = [ "/bin/bash" ];
      Env = [ "PATH=/bin" ];
    };
  };
  hello = dockerTools.buildLayeredImage {
    name = "hello";
    tag = "latest";
    contents = [ hello ];
    config.Cmd = [ "/bin/hello" ];
  };
}
