#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The kubelet takes an entry of an image pull Secret that holds an identity token for a login with an empty password, and
# one that holds nothing it knows for a login without a name.
#
# Versions:  kubelet of Kubernetes 1.36.3 (its package pkg/credentialprovider); crane's library, go-containerregistry 0.22.1
# Expected:  what `docker login` or `az acr login` wrote works as a pull Secret; or the entry counts as none.
# Seen:      `identitytoken` and `registrytoken` are not read, and the entry counts all the same: the kubelet finds a login
#            with the user of `auth` and no password, or with neither, and pulls with that. So it does with {} , which
#            Docker leaves in `auths` for what lies in a credential store. crane's library reads both tokens from the file.
# Who:       whoever makes a Secret --from-file=.dockerconfigjson=~/.docker/config.json: the API server accepts it, and
#            pods fail with 401 as if the password were wrong.
# Source:    Kubernetes; its documents say that the file of a login may be used and that a store leaves no login in it.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

kubelet_module program 'github.com/google/go-containerregistry v0.22.1'
cat >program/main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

const image = "registry.example.com:5000/plant/sensor"

func main() {
	file, err := os.ReadFile(os.Getenv("DOCKER_CONFIG") + "/config.json")
	check(err)
	secret := corev1.Secret{
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: file},
	}
	keyring, err := secrets.MakeDockerKeyring([]corev1.Secret{secret}, &credentialprovider.BasicDockerKeyring{})
	check(err)
	logins, found := keyring.Lookup(image)
	fmt.Printf("kubelet: %d %t", len(logins), found)
	for _, login := range logins {
		fmt.Printf(" user=%q password=%q", login.Username, login.Password)
	}
	reference, err := name.ParseReference(image)
	check(err)
	login, err := authn.DefaultKeychain.Resolve(reference.Context())
	check(err)
	said, err := login.Authorization()
	check(err)
	fmt.Printf("\ncrane: identity=%q registry=%q\n", said.IdentityToken, said.RegistryToken)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
(cd program && go build -o "$GOBIN/program" .)

mkdir config
export DOCKER_CONFIG="$PWD/config"
# ask ENTRY HOST has both read a file with one entry.
ask() {
	printf '{"auths": {"%s": %s}}' "$2" "$1" >config/config.json
	program >answer
}
host=registry.example.com:5000
nobody=00000000-0000-0000-0000-000000000000
ask "{\"auth\": \"$(encoded edge:secret)\"}" $host
seen "a password: kubelet" '1 true user="edge" password="secret"' "$(sed -n 's/^kubelet: //p' answer)"
ask "{\"auth\": \"$(encoded $nobody:)\", \"identitytoken\": \"token\"}" $host
seen "an identity token: kubelet" "1 true user=\"$nobody\" password=\"\"" "$(sed -n 's/^kubelet: //p' answer)"
seen "an identity token: crane" 'identity="token" registry=""' "$(sed -n 's/^crane: //p' answer)"
ask '{"registrytoken": "token"}' $host
seen "a registry token: kubelet" '1 true user="" password=""' "$(sed -n 's/^kubelet: //p' answer)"
seen "a registry token: crane" 'identity="" registry="token"' "$(sed -n 's/^crane: //p' answer)"
ask '{}' $host
seen "{}: kubelet" '1 true user="" password=""' "$(sed -n 's/^kubelet: //p' answer)"
ask '{}' other.example.com
seen "{} for another host: kubelet" "0 false" "$(sed -n 's/^kubelet: //p' answer)"
echo "as stated"
