# The builder of stdenv.mkDerivation: structured attributes become variables, then the phases run.
if [ -e .attrs.sh ]; then source .attrs.sh; fi
source "$stdenv/setup"
genericBuild
