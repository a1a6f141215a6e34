#!/bin/sh
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: guard.sh STATE FOLDER
#
# Waits until standard input ends, which is when the process that holds its other
# end closes it or dies. Then kills the processes noted in STATE/*.pid, and removes FOLDER.
set -u
trap '' HUP INT TERM
state=$1
folder=$2

read -r _ || :

for file in "$state"/*.pid; do
	[ -f "$file" ] || continue
	read -r pid <"$file" && kill -9 "$pid" 2>/dev/null
done

# A process that is dying may still write a file between two steps of rm.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf "$folder" 2>/dev/null && exit 0
	sleep 1
done
echo "guard.sh: cannot remove $folder" >&2
exit 1
