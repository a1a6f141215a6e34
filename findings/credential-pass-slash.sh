#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# docker-credential-pass gives out a user name with a slash as its first part, with a drawing of a folder for a password.
#
# Versions:  docker-credential-pass 0.9.13 with pass 1.7.4 (Debian 12); crane of go-containerregistry 0.22.1
# Expected:  a login is given out as it was stored, or storing it fails: the name of the user is a text to the protocol.
# Seen:      storing succeeds. The slash makes a folder of what is before it, and on the way back that folder is taken for the
#            user, and what pass prints of a folder, a tree with the rest of the name, for the password. It is no error, so
#            what uses the login is refused with 401. A user with a backslash is given out as stored.
# Who:       whoever logs in where users have a slash, as at Oracle's registry (tenancy-namespace/user), on a machine whose
#            Docker keeps logins with pass.
# Source:    the helper; its documents do not name what a user may be.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

pass_store
host=registry.example.com
seen "login by user" "user secret" "$(crane_login $host user secret)"
crane auth logout $host 2>/dev/null
# What is printed has the bytes of a terminal: the first line, and without them.
crane_login $host plant/user secret >got
printf 'it printed: %s\n' "$(cat got)"
seen "login by plant/user: the user" plant "$(cut -d ' ' -f 1 got)"
folder_of_host=$(printf %s $host | base64 -w 0)
seen "login by plant/user: the password begins" "docker-credential-helpers/$folder_of_host/plant" "$(cut -d ' ' -f 2 got | sed 's/\\n.*//')"
seen "and has the rest of the name" user "$(grep -o user got)"
if grep -q secret got; then fail "the password is given out: $(cat got)"; fi
crane auth logout $host 2>/dev/null
seen 'login by plant\user' 'plant\\user secret' "$(crane_login $host 'plant\user' secret)"
echo "as stated"
