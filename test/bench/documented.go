// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// documented runs the commands that Open Horizon documents for a registry on OpenShift, each as a
// process, with kubectl for oc. They make one account, not two, and nothing that lasts: no renewal,
// no check, no Secret. What they do on machines beside the cluster is left out.
func (w *world) documented(ctx context.Context, project string) (time.Duration, error) {
	account := "system:serviceaccount:" + project + ":" + publisher
	request := filepath.Join(w.control.Dir, "projectrequest.json")
	body := fmt.Sprintf(`{"apiVersion":"project.openshift.io/v1","kind":"ProjectRequest","metadata":{"name":%q}}`, project)
	if err := os.WriteFile(request, []byte(body), 0o600); err != nil {
		return 0, fmt.Errorf("write the request for a project: %w", err)
	}
	began := time.Now()
	for _, command := range [][]string{
		{"patch", "configs.imageregistry.operator.openshift.io/cluster", "--type=merge", "--patch={\"spec\":{\"defaultRoute\":true}}"},
		{"get", "route", "default-route", "-n", platform.RegistryNamespace, "--template={{ .spec.host }}"},
		// oc new-project asks for a ProjectRequest, which is a raw request for kubectl.
		{"create", "--raw=/apis/project.openshift.io/v1/projectrequests", "--filename=" + request},
		{"create", "serviceaccount", publisher, "-n", project},
		// oc policy add-role-to-user.
		{"create", "rolebinding", "edit", "--clusterrole=edit", "--user=" + account, "-n", project},
		// oc serviceaccounts get-token, which finds none since OpenShift 4.11.
		{"create", "token", publisher, "-n", project, "--duration=2160h"},
		// openssl s_client -showcerts, and docker login, need a terminal and a daemon; this reads the same CA.
		{"get", "configmap", "default-ingress-cert", "-n", platform.ManagedNamespace, "--output=jsonpath={.data}"},
	} {
		if _, err := w.control.Kubectl(ctx, command...); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}
