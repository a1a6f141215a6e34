#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The registry reads the value of each variable REGISTRY_... as YAML, a password too.
#
# Versions:  distribution 3.1.2, the registry
# Expected:  a variable is the text that it holds, as with any program that takes a password from the environment.
# Seen:      the configuration of a cache's login by REGISTRY_PROXY_USERNAME and REGISTRY_PROXY_PASSWORD. What follows " #"
#            is cut off; a password that begins with # is empty; quotes around one are taken off, '' in them becomes '; and
#            one that begins with @ or % keeps the registry from starting. robot$plant+edge and user:more are as written.
# Who:       a cache beside edge nodes, whose password a machine made: one in a few dozen fails, with a wrong login
#            upstream, while the same password in config.yml, in quotes, works.
# Source:    the registry itself; its documents describe the names of the variables alone.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

mkdir program
cat >program/go.mod <<'MOD'
module program

go 1.26.0

require github.com/distribution/distribution/v3 v3.1.2
MOD
cat >program/main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
)

const file = "version: 0.1\nstorage: {inmemory: {}}\nproxy: {remoteurl: 'https://registry.example.com'}\n"

func main() {
	config, err := configuration.Parse(strings.NewReader(file))
	if err != nil {
		fmt.Println("no start:", err)
		return
	}
	fmt.Fprintf(os.Stdout, "%s|%s\n", config.Proxy.Username, config.Proxy.Password)
}
GO
(cd program && go build -o "$GOBIN/program" .)

# login PASSWORD: what the registry makes of it.
login() {
	# shellcheck disable=SC2016 # the name has a dollar
	REGISTRY_PROXY_USERNAME='robot$plant+edge' REGISTRY_PROXY_PASSWORD=$1 program | sed 's/^no start: .*\(yaml: .*\)/no start, \1/'
}
user="robot\$plant+edge"
seen 'secret' "$user|secret" "$(login 'secret')"
seen 'se:cr#et' "$user|se:cr#et" "$(login 'se:cr#et')"
seen '0123' "$user|0123" "$(login '0123')"
seen 'sec #ret' "$user|sec" "$(login 'sec #ret')"
seen '#secret' "$user|" "$(login '#secret')"
seen '"secret"' "$user|secret" "$(login '"secret"')"
seen "'sec''ret'" "$user|sec'ret" "$(login "'sec''ret'")"
for password in '@secret' '%secret'; do
	answer=$(login "$password")
	printf '%-52s %s\n' "$password" "$answer"
	[[ $answer == "no start, yaml: "* ]] || fail "$password: stated was no start"
done
echo "as stated"
