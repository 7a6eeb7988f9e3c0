#!/bin/sh
# Runs a command with a new soft token of openCryptoki, the second module that the HSM keystore is proved on.
#
#     sudo unshare --mount --ipc --pid --fork --kill-child --mount-proc sh opencryptoki.sh LABEL PIN COMMAND…
#
# The daemon and the token have fixed places: private mounts hide those of the machine, which stay as they are, and all
# ends with the command. A PIN has 4 to 8 characters.
set -eu
label=$1 pin=$2
shift 2

for folder in /var/lib/opencryptoki /run/lock; do mount -t tmpfs -o mode=755 none "$folder"; done
for folder in /var/lib/opencryptoki/swtok/TOK_OBJ /run/lock/opencryptoki/swtok; do mkdir -p "$folder"; done
chgrp -R pkcs11 /var/lib/opencryptoki /run/lock/opencryptoki
chmod -R 770 /var/lib/opencryptoki /run/lock/opencryptoki

pkcsslotd
slot=$(pkcsconf -t | sed -n 's/^Token #\([0-9]*\) Info.*/\1/p;/SoftTok/q' | tail -1)
# What it is delivered with is 87654321; either PIN must be changed once before the token can be used.
echo "$label" | pkcsconf -I -c "$slot" -S 87654321 >&2
pkcsconf -P -c "$slot" -S 87654321 -n 12345678 >&2
pkcsconf -u -c "$slot" -S 12345678 -n 87651234 >&2
pkcsconf -p -c "$slot" -U 87651234 -n "$pin" >&2
exec "$@"
