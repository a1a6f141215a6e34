#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A pull login for `HOST/edge` is taken for images of `HOST/edge-tools` too, in place of the login for HOST, by the library
# with which controllers read image pull Secrets.
#
# Versions:  go-containerregistry's authn/kubernetes of 2026-02-24, with go-containerregistry 0.22.1; kubelet of Kubernetes
#            1.36.3 (its package pkg/credentialprovider); skopeo 1.9.3
# Expected:  a key with a path is for what lies below that path, and images elsewhere on the host get the entry for the host.
# Seen:      the library compares letters, not segments: `edge` is how `edge-tools` begins. It takes the longest key and no
#            other. The kubelet compares the same way, and hides it: it finds both logins, and tries one after the other.
#            skopeo goes by segments.
# Who:       a cluster with one login for the host and another for a project: pods pull, and what looks the same image up
#            before them by the same Secret, as Kyverno, Knative or the Kernel Module Management, is refused.
# Source:    the packages. Kubernetes' page on images speaks of paths that match as prefixes. That the library tries one login
#            alone is known, https://github.com/google/go-containerregistry/issues/1431.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

debian skopeo skopeo 1.9.3

# Both programs print the users that they find for an image in a Secret.
mkdir library
cat >library/go.mod <<'MOD'
module program

go 1.26.0

require (
	github.com/google/go-containerregistry v0.22.1
	github.com/google/go-containerregistry/pkg/authn/kubernetes v0.0.0-20260224031529-85f2bf5f7303
	k8s.io/api v0.35.1
	k8s.io/apimachinery v0.36.3
)
MOD
cat >library/main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/authn/kubernetes"
	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
)

func main() {
	file, err := os.ReadFile(os.Args[1])
	check(err)
	keychain, err := kubernetes.NewFromPullSecrets(context.Background(), []corev1.Secret{{
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: file},
	}})
	check(err)
	reference, err := name.ParseReference(os.Args[2])
	check(err)
	login, err := keychain.Resolve(reference.Context())
	check(err)
	said, err := login.Authorization()
	check(err)
	fmt.Println(said.Username)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
kubelet_module kubelet
cat >kubelet/main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
)

func main() {
	file, err := os.ReadFile(os.Args[1])
	check(err)
	keyring, err := secrets.MakeDockerKeyring([]corev1.Secret{{
		Type: corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: file},
	}}, &credentialprovider.BasicDockerKeyring{})
	check(err)
	var users []string
	logins, _ := keyring.Lookup(os.Args[2])
	for _, login := range logins {
		users = append(users, login.Username)
	}
	fmt.Println(strings.Join(users, ", then "))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
(cd library && go build -o "$GOBIN/library" .)
(cd kubelet && go build -o "$GOBIN/kubelet" .)

host=registry.example.com
cat >secret <<JSON
{"auths": {
  "$host": {"auth": "$(encoded user-of-host:secret)"},
  "$host/edge": {"auth": "$(encoded user-of-edge:secret)"}
}}
JSON
seen "edge/app: library" user-of-edge "$(library secret $host/edge/app)"
seen "edge/app: kubelet" "user-of-edge, then user-of-host" "$(kubelet secret $host/edge/app)"
seen "edge/app: skopeo" user-of-edge "$(skopeo login --get-login --authfile secret $host/edge/app)"
seen "tools/app: library" user-of-host "$(library secret $host/tools/app)"
seen "tools/app: kubelet" user-of-host "$(kubelet secret $host/tools/app)"
seen "edge-tools/app: library" user-of-edge "$(library secret $host/edge-tools/app)"
seen "edge-tools/app: kubelet" "user-of-edge, then user-of-host" "$(kubelet secret $host/edge-tools/app)"
seen "edge-tools/app: skopeo" user-of-host "$(skopeo login --get-login --authfile secret $host/edge-tools/app)"
echo "as stated"
