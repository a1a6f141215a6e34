#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Tekton makes one config.json of the Secrets of a service account, and leaves identity tokens and helpers out of it.
#
# Versions:  Tekton Pipelines 1.3.0 (its package pkg/credentials/dockercreds, which the entrypoint of each step runs)
# Expected:  what a Secret of the type kubernetes.io/dockerconfigjson holds is in ~/.docker/config.json of the step.
# Seen:      only username, password, auth and email of `auths` are carried over. An entry with `identitytoken`, as a login
#            at Azure's registry writes it, becomes one with an empty password; `registrytoken` becomes an empty entry;
#            `credHelpers`, `credsStore` and `proxies` are gone. It ends with status 0 and says nothing.
# Who:       tasks that build and push: the same file works mounted as a volume, and is a wrong login by the service account.
# Source:    Tekton; its docs/auth.md shows Secrets with such files and does not name what is left out.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

mkdir program
cat >program/go.mod <<'MOD'
module program

go 1.26.0

require github.com/tektoncd/pipeline v1.3.0
MOD
cat >program/main.go <<'GO'
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/tektoncd/pipeline/pkg/credentials/dockercreds"
	"github.com/tektoncd/pipeline/pkg/credentials/matcher"
)

// It does what the entrypoint of a step does with the flags that the controller gives it.
func main() {
	matcher.VolumePath = os.Args[1]
	flags := flag.NewFlagSet("step", flag.ExitOnError)
	dockercreds.AddFlags(flags)
	_ = flags.Parse(os.Args[3:])
	if err := dockercreds.NewBuilder().Write(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
GO
(cd program && go build -o "$GOBIN/program" .)

mkdir -p secrets/login step
cat >secrets/login/.dockerconfigjson <<JSON
{
  "auths": {
    "one.example.com": {"auth": "$(encoded edge:secret)"},
    "two.example.com": {"auth": "$(encoded 00000000-0000-0000-0000-000000000000:)", "identitytoken": "token-of-two"},
    "three.example.com": {"registrytoken": "token-of-three"}
  },
  "credHelpers": {"four.example.com": "four"},
  "credsStore": "five",
  "proxies": {"default": {"httpsProxy": "http://proxy.example.com:3128"}}
}
JSON
program secrets step -docker-config=login
cat step/.docker/config.json && echo
python3 >left <<'PYTHON'
import json
left = json.load(open("step/.docker/config.json"))
print(" ".join(sorted(left)))
for host in ("one", "two", "three"):
    print(json.dumps(left["auths"][host + ".example.com"]))
PYTHON
seen "keys of the file" auths "$(sed -n 1p left)"
seen "one, a user and a password" "{\"auth\": \"$(encoded edge:secret)\"}" "$(sed -n 2p left)"
seen "two, an identity token" "{\"auth\": \"$(encoded 00000000-0000-0000-0000-000000000000:)\"}" "$(sed -n 3p left)"
seen "three, a registry token" '{"auth": ""}' "$(sed -n 4p left)"
echo "as stated"
