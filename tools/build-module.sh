#!/bin/sh
# `npm run build:module`: makes module/build/libclaviger.so with the system's C compiler, or the one in $CC.
# `--to FILE` makes another file; further arguments go to the compiler.
set -eu

root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
target="$root/module/build/libclaviger.so"
if [ "${1-}" = --to ]; then
  target=$2
  shift 2
fi

compiler=${CC:-}
for one in cc gcc clang; do
  [ -n "$compiler" ] || ! command -v "$one" >/dev/null || compiler=$one
done
if [ -z "$compiler" ]; then
  echo "claviger: no C compiler: libclaviger.so is not built. On Debian: apt-get install gcc libc6-dev" >&2
  echo "          Or use p11-kit's module with the same socket, which needs no compiler:" >&2
  echo "          apt-get install p11-kit-modules; P11_KIT_SERVER_ADDRESS=unix:path=... p11-kit-client.so" >&2
  exit 1
fi

mkdir -p "$(dirname -- "$target")"
# In place at once: programs that have the old one loaded keep it.
# -Bsymbolic: another module's C_Encrypt in the same program is not ours. nodelete: threads that end
# after dlclose() still find the function that gives their connection back. -ldl: dladdr() in older glibc.
"$compiler" -std=c11 -Wall -Wextra -Werror -fvisibility=hidden -fstack-protector-strong -O2 -fPIC -shared -pthread \
  -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now -Wl,--no-undefined -Wl,-Bsymbolic "$@" \
  "$root"/module/*.c -o "$target.new" -Wl,--as-needed -ldl
mv -f "$target.new" "$target"
