#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A renewed CA in a file of the same name reaches Debian's bundle, and neither the folder of hashes nor the hooks, Java's among
# them.
#
# Versions:  Debian 12's ca-certificates 20230311+deb12u1 (its update-ca-certificates), openssl 3.0
# Expected:  after a file below /usr/local/share/ca-certificates is replaced, update-ca-certificates brings what is in it
#            everywhere.
# Seen:      "0 added, 0 removed": what is added goes by the names of the files. ca-certificates.crt is written anew and has the
#            new CA. The links by hash stay, so that by the folder /etc/ssl/certs neither the old nor the new CA is found if
#            the name of the CA changed; and the hooks in /etc/ca-certificates/update.d are given an empty list. With --fresh,
#            or a file of a new name, all have it.
# Who:       whoever distributes the CA of a registry to nodes and build machines as registry.crt, each time it is renewed. curl,
#            Go and Python take the bundle and work. Java keeps the old CA, because ca-certificates-java has no other list than
#            that of its hook (read, not run), and what is told the folder as CApath trusts neither.
# Source:    the script; its manual says that hooks are called with what was added and removed.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

version=$(dpkg-query -W -f '${Version}' ca-certificates)
[ "$version" = 20230311+deb12u1 ] || fail "this is about ca-certificates 20230311+deb12u1, and here is: $version"
echo "ca-certificates $version"

mkdir system local etc hooks
# One that is empty would count as --fresh. /etc/ca-certificates.conf never is.
echo '# none of the system' >ca-certificates.conf
printf '#!/bin/sh\ncat >%s/given\n' "$PWD" >hooks/java
chmod +x hooks/java
for name in old new; do
	openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=$name CA of the registry" -days 30 -keyout key -out $name.pem 2>/dev/null
done

# update [--fresh]: what it says, and what the hook was given, without the path.
update() {
	/usr/sbin/update-ca-certificates --certsconf "$PWD/ca-certificates.conf" --certsdir "$PWD/system" \
		--localcertsdir "$PWD/local" --etccertsdir "$PWD/etc" --hooksdir "$PWD/hooks" "$@" >said
	echo "$(sed -n 's/; done\.$//p' said), hook: $(sed "s|$PWD/etc/||" given)"
}
# trusted NAME: whether that CA is trusted by the bundle and by the folder.
trusted() {
	local where=()
	if openssl verify -no-CApath -no-CAstore -CAfile etc/ca-certificates.crt "$1.pem" >/dev/null 2>&1; then where+=(bundle); fi
	if openssl verify -no-CAfile -no-CAstore -CApath etc "$1.pem" >/dev/null 2>&1; then where+=(folder); fi
	echo "${where[*]:-nowhere}"
}

cp old.pem local/registry.crt
seen "registry.crt, the old CA" "1 added, 0 removed, hook: +registry.pem" "$(update)"
seen "the old CA" "bundle folder" "$(trusted old)"
cp new.pem local/registry.crt
seen "registry.crt, the new CA" "0 added, 0 removed, hook: " "$(update)"
seen "the old CA" nowhere "$(trusted old)"
seen "the new CA" bundle "$(trusted new)"
seen "once more, --fresh" "1 added, 0 removed, hook: +registry.pem" "$(update --fresh)"
seen "the new CA" "bundle folder" "$(trusted new)"
echo "as stated"
