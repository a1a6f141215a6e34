#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# After a login with another user name docker-credential-pass may go on giving out the login of the user before.
#
# Versions:  docker-credential-pass 0.9.13 with pass 1.7.4 (Debian 12); crane of go-containerregistry 0.22.1
# Expected:  a store holds one login for a registry, as config.json does: the last one counts, whatever its user is called.
# Seen:      each user gets a file of its own in the registry's folder, and the first by the alphabet is given out. A login by
#            ...-2 after ...-1 succeeds, and ...-1 goes on being used; one by ...-10 after ...-9 counts. A new password of the
#            same user counts. A logout takes all of them away.
# Who:       whoever gets a new user with each renewal, as robots of Harbor that are numbered, on a machine where Docker keeps
#            logins with pass: everything works until the old robot ends, and then no login helps but one after a logout.
# Source:    the helper; its protocol has one login for a server, and its documents do not speak of a second user.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

pass_store
host=harbor.example.com
# shellcheck disable=SC2016 # Harbor's users have a dollar
robot='robot$plant+edge-publisher'
seen "login by ...-1" "$robot-1 first" "$(crane_login $host "$robot-1" first)"
seen "login by ...-1 with a new password" "$robot-1 second" "$(crane_login $host "$robot-1" second)"
seen "login by ...-2" "$robot-1 second" "$(crane_login $host "$robot-2" third)"
crane auth logout $host 2>/dev/null
seen "after a logout" none "$(crane_user $host)"
seen "login by ...-9" "$robot-9 fourth" "$(crane_login $host "$robot-9" fourth)"
seen "login by ...-10" "$robot-10 fifth" "$(crane_login $host "$robot-10" fifth)"
echo "as stated"
