{
  # Variables that a fixed-output derivation may take from the environment of the build.
  proxyImpureEnvVars = [ "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy" ];
}
