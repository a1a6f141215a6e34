// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about openshift/issuer.go: tokens that were never issued.

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// forge gives a token another payload under its old signature.
func forge(t *testing.T, token credential.Token, change func(claims map[string]any)) credential.Token {
	t.Helper()
	g := NewWithT(t)
	parts := strings.Split(token.Reveal(), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	g.Expect(err).NotTo(HaveOccurred())
	claims := map[string]any{}
	g.Expect(json.Unmarshal(payload, &claims)).To(Succeed())
	change(claims)
	payload, err = json.Marshal(claims)
	g.Expect(err).NotTo(HaveOccurred())
	return credential.NewToken(parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2])
}

func TestATokenThatWasNeverIssuedIsReplacedOnce(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"that claims to last for ever": func(claims map[string]any) { claims["exp"] = 9999999999 },
		"of another credential":        func(claims map[string]any) { claims["jti"] = "00000000-0000-0000-0000-000000000000" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			startOperator(t)
			edge := awaitReady(t, apply(t, newEdge()))
			pull := secretOf(t, edge, pass.PullSecretName(edge))
			forged := forge(t, tokenOf(pull), change)
			login := handoff.Login{User: "edge-puller." + edge.Name, Token: forged}
			data, err := handoff.PullData(handoff.Input{
				Provider: "openshift", Host: edge.Status.Host, Project: edge.Name, Publisher: login, Puller: login, CA: pull.Data[handoff.KeyCA],
			})
			g.Expect(err).NotTo(HaveOccurred())
			minted := canary.count()
			maps.Copy(pull.Data, data)
			g.Expect(admin.Update(t.Context(), pull)).To(Succeed())
			g.Eventually(func(g Gomega) {
				now := secretOf(t, edge, pull.Name)
				g.Expect(tokenOf(now).Equal(forged)).To(BeFalse())
				g.Expect(now.Annotations[objects.GenerationAnnotation]).To(Equal("2"))
			}).WithTimeout(soon).WithPolling(often).Should(Succeed())
			awaitReady(t, edge)
			g.Expect(canary.count()).To(Equal(minted + 1))
		})
	}
}
