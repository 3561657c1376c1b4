# The builder of stdenv.mkDerivation: structured attributes become variables, then the phases run.
if [ -e "${NIX_ATTRS_SH_FILE:-.attrs.sh}" ]; then
  source "${NIX_ATTRS_SH_FILE:-.attrs.sh}"
  # Not among the variables itself; setup asks for it.
  __structuredAttrs=1
fi
source "$stdenv/setup"
genericBuild
