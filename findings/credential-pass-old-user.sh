#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# After a login with another user name docker-credential-pass may go on giving out the login of the user before.
#
# Versions:  docker-credential-pass 0.9.13 with pass 1.7.4 (Debian 12); crane of go-containerregistry 0.22.1
# Expected:  a store holds one login for a registry, as config.json does: the last one counts, whatever its user is called.
# Seen:      each user gets a file of its own in the registry's folder, and the first by the alphabet is given out. A login by
#            ...-10 after ...-9 counts, one by ...-11 does not: it succeeds, and ...-10 goes on being used. A new password of
#            the same user counts. A logout takes all of them away.
# Who:       whoever gets a new user with each renewal, as robots of Harbor that are numbered, on a machine where Docker keeps
#            logins with pass: everything works until the old robot ends, and then no login helps but one after a logout.
# Source:    the helper; its protocol has one login for a server, and its documents do not speak of a second user.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

for program in pass gpg; do
	command -v $program >/dev/null || fail "$program is not installed: apt-get install pass gnupg"
done
version=$(pass --version | grep -o 'v[0-9.]*')
[ "$version" = v1.7.4 ] || fail "this is about pass v1.7.4, and here is: $version"
echo "pass $version"
unset PASSWORD_STORE_DIR GNUPGHOME
# The agent of gpg is started by gpg itself.
trap 'gpgconf --kill all; finish' EXIT

go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
go install github.com/docker/docker-credential-helpers/pass/cmd@v0.9.13
mv bin/cmd bin/docker-credential-pass
install -d -m 700 home/.gnupg
gpg --batch --quiet --passphrase '' --quick-generate-key edge future-default default never 2>/dev/null
pass init edge >/dev/null
mkdir home/.docker
echo '{"credsStore": "pass"}' >home/.docker/config.json

host=harbor.example.com
# login USER PASSWORD logs in as `docker login` does, and prints the login that is then used.
login() {
	crane auth login $host -u "$1" -p "$2" 2>/dev/null
	crane auth get $host | sed -n 's/.*"Username":"\([^"]*\)","Secret":"\([^"]*\)".*/\1 \2/p'
}

# shellcheck disable=SC2016 # Harbor's users have a dollar
robot='robot$plant+edge-publisher'
seen "login by ...-9" "$robot-9 first" "$(login "$robot-9" first)"
seen "login by ...-9 with a new password" "$robot-9 second" "$(login "$robot-9" second)"
seen "login by ...-10" "$robot-10 third" "$(login "$robot-10" third)"
seen "login by ...-11" "$robot-10 third" "$(login "$robot-11" fourth)"
crane auth logout $host 2>/dev/null
seen "after a logout" none "$(crane_user $host)"
seen "login by ...-11, after a logout" "$robot-11 fourth" "$(login "$robot-11" fourth)"
echo "as stated"
