#!/bin/sh
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Runs one program of the control plane and notes its process id for guard.sh.
# It is called through a link STATE/bin/NAME and runs STATE/assets/NAME in its own place.
set -eu
state=${0%/bin/*}
name=${0##*/}
echo "$$" >"$state/$name.pid"
exec "$state/assets/$name" "$@"
