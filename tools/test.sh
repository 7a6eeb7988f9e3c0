#!/bin/sh
# `npm test`: installs what is missing, then checks everything. Arguments are files or folders of tests.
set -eu
. "$(dirname -- "$0")/setup.sh"

# Programs of other people that the tests run, by the names of Debian's packages.
packages='python3-pykmip
  opensc p11-kit p11-kit-modules gnutls-bin libnss3-tools openssl libengine-pkcs11-openssl nginx-light
  openssh-client openssh-server openjdk-17-jdk-headless softhsm2 opencryptoki
  libtpm2-pkcs11-1 libtpm2-pkcs11-tools libtss2-tcti-tabrmd0 tpm2-tools tpm2-abrmd swtpm dbus-daemon
  zsh fish musl-tools gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user'

# What a package's own scripts ask before they start a daemon; 101 forbids it.
policy=/usr/sbin/policy-rc.d

is_installed() {
  dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

# Sets $missing to those that are not installed.
find_missing() {
  missing=
  for package in $packages; do
    is_installed "$package" || missing="$missing $package"
  done
}

apt_install() {
  apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1
}

# No daemon starts by being installed; what stood in the policy's place comes back.
forbid_daemons() {
  saved=
  if [ -e "$policy" ] || [ -L "$policy" ]; then
    saved=$policy.claviger
    mv "$policy" "$saved"
  fi
  trap 'allow_daemons' EXIT
  trap 'exit 1' INT TERM HUP
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

allow_daemons() {
  rm -f "$policy"
  [ -z "$saved" ] || mv "$saved" "$policy"
  trap - EXIT INT TERM HUP
}

install_packages() {
  find_missing
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "claviger: installing$missing ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null 2>&1 || true
    forbid_daemons
    # shellcheck disable=SC2086 # a list of names
    if ! apt_install $missing; then
      # One that cannot be had does not keep the others away.
      for package in $missing; do
        apt_install "$package" || true
      done
    fi
    allow_daemons
    find_missing
    [ -n "$missing" ] || return 0
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
