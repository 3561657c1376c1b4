{ dockerTools, bash, imageName, imageDigest, sha256 ? "", finalImageTag ? "pinned" }:
let
  # Anything will do for asking what the hash is.
  known = if sha256 == "" then "1111111111111111111111111111111111111111111111111111" else sha256;
in
rec {
  pushed = dockerTools.buildLayeredImage {
    name = "pushed";
    tag = "v1";
    contents = bash;
    config = { Cmd = [ "/bin/bash" "-c" "echo <pulled> & wait" ]; Labels.html = "<b>&amp;é\"</b>"; };
  };
  pulled = dockerTools.pullImage {
    inherit imageName imageDigest finalImageTag;
    sha256 = known;
    finalImageName = "some/pulled";
  };
  upon = dockerTools.buildImage {
    name = "upon";
    tag = "latest";
    fromImage = pulled;
    extraCommands = "echo more > more";
    config = { Cmd = [ "/bin/bash" "-c" "echo $(< /more)" ]; Env = [ "PATH=/bin" ]; };
  };
}
