#!/bin/sh
# `npm test`: installs what is missing, then checks everything. Arguments are files or folders of tests.
set -eu
. "$(dirname -- "$0")/setup.sh"

# Programs of other people that the conformance suites run, by the names of Debian's packages.
packages='python3-pykmip'

install_packages() {
  missing=
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "claviger: installing$missing ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of names
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing; } >/dev/null && return 0
  fi
  echo "claviger: missing, so that tests which need them are skipped:$missing" >&2
  echo "          as root: apt-get install$missing" >&2
}

need_packages node_modules/typescript
install_packages
find_node
build_module
PATH="$root/node_modules/.bin:$PATH"
export PATH
exec "$node" --disable-warning=ExperimentalWarning tools/test.ts "$@"
