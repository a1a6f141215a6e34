// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about that no token reaches what the operator says, across the whole suite.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
)

// harvest hands the canary all that a reader without rights over Secrets can see of an EdgeRegistry:
// what kubectl describe prints, and every object in its project that is not a Secret.
func (v *vault) harvest(ctx context.Context, edge *edgev1.EdgeRegistry) {
	described, err := control.Kubectl(ctx, "describe", "edgeregistry", edge.Name)
	if err != nil {
		described = err.Error()
	}
	_, _ = fmt.Fprintln(v, described)
	project := openshift.ProjectName(edge)
	for _, list := range []client.ObjectList{
		&corev1.ServiceAccountList{}, &rbacv1.RoleBindingList{}, &rbacv1.RoleList{}, &corev1.ConfigMapList{}, &corev1.EventList{},
	} {
		if err := admin.List(ctx, list, client.InNamespace(project)); err != nil {
			continue
		}
		if content, err := json.Marshal(list); err == nil {
			_, _ = v.Write(content)
		}
	}
}

// A canary that cannot die proves nothing.
func TestTheCanaryKnowsATokenInEachForm(t *testing.T) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	header := part(`{"alg":"RS256","kid":"a-key"}`)
	payload := part(`{"aud":["https://kubernetes.default.svc"],"exp":1,"jti":"6b3f49b2-7d0c-4c43-b0f3-0b2b6d1f2a11","sub":"system:serviceaccount:a:b"}`)
	signature := part(strings.Repeat("a signature ", 20))
	token := header + "." + payload + "." + signature
	encode := base64.StdEncoding.EncodeToString
	for name, text := range map[string]string{
		"raw":                   token,
		"in a line of a log":    `{"level":"info","token":"` + token + `"}`,
		"its payload":           "claims " + payload,
		"its signature":         signature,
		"in base64":             encode([]byte(token)),
		"in base64, shifted":    encode([]byte("x" + token)),
		"in base64, twice":      encode([]byte("xy" + token)),
		"in a Docker login":     `{"auths":{"host":{"auth":"` + encode([]byte("edge-puller:"+token)) + `"}}}`,
		"in an exchange login":  encode([]byte("host:edge-puller:" + token)),
		"as a bearer":           "Authorization: Bearer " + token,
		"with text all around":  strings.Repeat("lorem ", 1000) + token + strings.Repeat(" ipsum", 1000),
		"in base64 of its part": encode([]byte(payload)),
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(leaks.Shows(text, token)).To(BeTrue())
			NewWithT(t).Expect(leaks.Of("a-password", token, "x."+part("before")+"."+part("after")).In(text)).To(BeTrue(), "one of several")
		})
	}
	for name, text := range map[string]string{
		"nothing":                    "",
		"an id from the audit log":   "JTI=6b3f49b2-7d0c-4c43-b0f3-0b2b6d1f2a11",
		"what all tokens begin with": header,
		"another token":              header + "." + part(`{"sub":"another"}`) + "." + part("another signature"),
	} {
		t.Run("not "+name, func(t *testing.T) {
			NewWithT(t).Expect(leaks.Shows(text, token)).To(BeFalse())
			NewWithT(t).Expect(leaks.Of(token, token).In(text)).To(BeFalse())
		})
	}
	const password = "a-password-without-parts"
	for text, shows := range map[string]bool{
		"login alice:" + password: true, "Basic " + encode([]byte("alice:"+password)): true, "alice": false, "": false,
	} {
		NewWithT(t).Expect(leaks.Shows(text, password)).To(Equal(shows), text)
	}
	NewWithT(t).Expect(leaks.Shows("text", "")).To(BeFalse())
}

// The vault sees each token that the operator is given, in whichever encoding the API server answers,
// and the search looks where the suite writes.
func TestTheCanarySearchesWhatTheSuiteWrites(t *testing.T) {
	g := NewWithT(t)
	known := canary.count()
	startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	g.Expect(canary.count()).To(Equal(known+2), "both tokens of this EdgeRegistry")
	for _, name := range []string{pass.PublishSecretName(edge), pass.PullSecretName(edge)} {
		g.Expect(canary.tokens).To(ContainElement(tokenOf(secretOf(t, edge, name)).Reveal()))
	}
	canary.harvest(t.Context(), edge)
	g.Expect(canary.text.String()).To(ContainSubstring("Image Prefix:"), "what kubectl describe prints")
	g.Expect(canary.text.String()).To(ContainSubstring(`"name":"edge-puller"`), "the objects of the project")

	leaky := newVault()
	leaky.tokens = canary.tokens
	g.Expect(leaky.search(t.Context())).To(BeEmpty())
	_, _ = leaky.Write([]byte("minted " + canary.tokens[0]))
	g.Expect(leaky.search(t.Context())).To(ConsistOf("logs, errors and metrics"))
}
