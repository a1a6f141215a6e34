#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# From the hundredth Secret on with which an image was pulled, a renewed login makes the kubelet pull again what the node has.
#
# Versions:  kubelet of Kubernetes 1.36.3 (its packages pkg/kubelet/images/pullmanager and pkg/credentialprovider); the
#            feature, KubeletEnsureSecretPulledImages, is on by default since 1.35
# Expected:  with IfNotPresent a pod may use an image that is there if its Secret pulled it once, by the Secret's UID, or if
#            another Secret with that login did. So a login that is renewed in its Secret changes nothing, on any node.
# Seen:      true of an image with up to 99 Secrets on record. With 100 the renewed login does not count any more: the kubelet
#            has to ask the registry again, until a pull with the new login succeeded on this node for one of them. The login that
#            was not renewed still counts. The record is kept until the image goes, whatever becomes of the Secrets (read there).
# Who:       an image that pods of many namespaces start on one node, each with a copy of the pull Secret, as previews and jobs
#            of pipelines do, on a site that is cut off now and then: after a renewal no pod of it starts without the registry.
# Source:    Kubernetes; the number is a constant there, meant to bound what is written.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

kubelet_module program
cat >program/main.go <<'GO'
// `program SECRETS PASSWORD UID [pulled]`: an image is pulled by so many Secrets with the password `old`. Has it to be pulled
// for the first of them, when this is its password and its UID? With `pulled`, the last of them has pulled with it before.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/images/pullmanager"
)

const (
	image = "registry.example.com/plant/sensor:1.0.0"
	id    = "sha256:0123456789abcdef"
)

func main() {
	ctx := context.Background()
	count, err := strconv.Atoi(os.Args[1])
	check(err)
	folder, err := os.MkdirTemp(".", "records")
	check(err)
	records, err := pullmanager.NewFSPullRecordsAccessor(klog.Background(), folder)
	check(err)
	policy, err := pullmanager.NewImagePullCredentialVerificationPolicy(config.NeverVerifyPreloadedImages, nil)
	check(err)
	pulls, err := pullmanager.NewImagePullManager(ctx, records, policy, nil, 1)
	check(err)
	pulled := func(number int, password string) {
		name := "team-" + strconv.Itoa(number)
		check(pulls.RecordPullIntent(klog.Background(), image))
		pulls.RecordImagePulled(ctx, image, id, &config.ImagePullCredentials{KubernetesSecrets: login(name, name, password)})
	}
	for number := range count {
		pulled(number, "old")
	}
	if len(os.Args) > 4 {
		pulled(count-1, os.Args[2])
	}
	pull, err := pulls.MustAttemptImagePull(ctx, image, id,
		func() ([]config.ImagePullSecret, *config.ImagePullServiceAccount, error) {
			return login("team-0", os.Args[3], os.Args[2]), nil, nil
		})
	check(err)
	fmt.Println(map[bool]string{true: "has to pull", false: "uses the image"}[pull])
}

// login is what the kubelet's keyring finds for the image in a Secret of the namespace.
func login(namespace, uid, password string) []config.ImagePullSecret {
	keyring, err := secrets.MakeDockerKeyring([]corev1.Secret{{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "pull", UID: types.UID(uid)},
		Type:       corev1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{corev1.DockerConfigJsonKey: fmt.Appendf(nil,
			`{"auths": {"registry.example.com": {"username": "edge", "password": %q}}}`, password)},
	}}, &credentialprovider.BasicDockerKeyring{})
	check(err)
	found, _ := keyring.Lookup(image)
	source := found[0].Source.Secret
	return []config.ImagePullSecret{{
		UID: source.UID, Namespace: source.Namespace, Name: source.Name, CredentialHash: found[0].AuthConfigHash,
	}}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
(cd program && go build -o "$GOBIN/program" .)

seen "1 Secret: the login as it was" "uses the image" "$(program 1 old team-0)"
seen "1 Secret: the login renewed" "uses the image" "$(program 1 new team-0)"
seen "1 Secret: recreated, with the login as it was" "uses the image" "$(program 1 old another)"
seen "1 Secret: recreated, with a new login" "has to pull" "$(program 1 new another)"
seen "99 Secrets: the login renewed" "uses the image" "$(program 99 new team-0)"
seen "100 Secrets: the login renewed" "has to pull" "$(program 100 new team-0)"
seen "100 Secrets: renewed, and another pulled with it" "uses the image" "$(program 100 new team-0 pulled)"
seen "100 Secrets: the login as it was" "uses the image" "$(program 100 old team-0)"
echo "as stated"
