#!/bin/sh
# `npm start`: installs what is missing, then serves ./data. Arguments go on: `npm start -- --kmip 0.0.0.0:5696`.
set -eu
. "$(dirname -- "$0")/setup.sh"

need_packages node_modules/commander --omit=dev
build_module
exec bin/claviger serve --data "${CLAVIGER_DATA:-./data}" "$@"
