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
# What a test of the operator sets for itself, as FIPS mode, is not for the control plane: etcd would not start.
unset GODEBUG
# Its heaps are small beside the machine, and collecting them four times less often saves much of its time.
export GOGC="${GOGC:-400}"
exec "$state/assets/$name" "$@"
