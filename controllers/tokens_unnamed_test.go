// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about tokens as API servers before 1.30 issue them, across credentials.go and openshift/issuer.go.

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// namingNoTokens has tokens issued as API servers before Kubernetes 1.30 do, without an id.
func (o *operator) namingNoTokens() {
	o.issuing(func(claims map[string]any) { delete(claims, "jti") })
}

// issuing has tokens issued with other claims. Their signature is the cluster's.
func (o *operator) issuing(alter func(claims map[string]any)) {
	o.intercepting(func(a ask, on func() (*http.Response, error)) (*http.Response, error) {
		response, err := on()
		if err != nil || response.StatusCode != http.StatusCreated || !a.is(http.MethodPost, "/token") {
			return response, err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		issued := &authenticationv1.TokenRequest{}
		if _, _, err := bodyDecoder.Decode(body, nil, issued); err != nil {
			if err := json.Unmarshal(body, issued); err != nil {
				return nil, err
			}
		}
		issued.Status.Token, err = control.Reissue(issued.Status.Token, alter)
		if err != nil {
			return nil, err
		}
		issued.SetGroupVersionKind(authenticationv1.SchemeGroupVersion.WithKind("TokenRequest"))
		if body, err = json.Marshal(issued); err != nil {
			return nil, err
		}
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		response.Header.Set("Content-Type", "application/json")
		response.Header.Del("Content-Length")
		return response, nil
	})
}

func TestTokensWithoutAnIDAreMintedOnceAndWork(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	o.namingNoTokens()
	edge := awaitReady(t, apply(t, newEdge()))
	o.pass(t, edge)
	edge = awaitReady(t, edge)
	for _, role := range roles {
		secret, claims := published(t, edge, role)
		bound := boundSecretOf(t, edge, role)
		g.Expect(claims.ID).To(BeEmpty())
		g.Expect(claims.SecretUID).To(Equal(bound.UID))
		g.Expect(works(t, tokenOf(secret))).To(BeTrue())
		for _, annotations := range []map[string]string{secret.Annotations, bound.Annotations} {
			g.Expect(annotations).To(HaveKeyWithValue(objects.ExpiresAtAnnotation, pass.Timestamp(claims.Expiry)))
			g.Expect(annotations).NotTo(HaveKey(objects.CredentialIDAnnotation))
		}
		g.Expect(statusOfTokens(edge, role)).To(HaveExactElements(And(
			HaveField("Current", true), HaveField("CredentialID", ""), HaveField("ExpiresAt.Unix()", claims.Expiry.Unix()))))
	}
	g.Expect(o.mints(edge)).To(Equal(2))
}

func TestTokensWithAnIDAreKeptByAClusterThatWritesNoneAndTheOtherWayRound(t *testing.T) {
	g := NewWithT(t)
	o := startOperator(t)
	named := awaitReady(t, apply(t, newEdge()))
	o.namingNoTokens()
	unnamed := awaitReady(t, apply(t, newEdge()))
	before := []map[edgev1.TokenRole]any{}
	for _, edge := range []*edgev1.EdgeRegistry{named, unnamed} {
		kept := map[edgev1.TokenRole]any{}
		for _, role := range roles {
			_, kept[role] = published(t, edge, role)
		}
		before = append(before, kept)
	}
	// Another operator remembers nothing, and what it issued itself would have an id again.
	o.stop(t)
	o = startOperator(t)
	for i, edge := range []*edgev1.EdgeRegistry{named, unnamed} {
		o.pass(t, edge)
		awaitReady(t, edge)
		for _, role := range roles {
			_, claims := published(t, edge, role)
			g.Expect(claims).To(Equal(before[i][role]))
		}
		g.Expect(o.mints(edge)).To(BeZero())
	}
}

// No API server issues such tokens. Whatever does would otherwise be asked for another in each pass, for ever.
func TestTokensThatDoNotSayWhatTheyAreBoundToAreNotMintedWithoutEnd(t *testing.T) {
	for _, of := range []string{"secret", "serviceaccount"} {
		t.Run(of, func(t *testing.T) {
			g := NewWithT(t)
			o := startOperator(t)
			odd, issued := &atomic.Bool{}, &atomic.Int32{}
			odd.Store(true)
			o.issuing(func(claims map[string]any) {
				issued.Add(1)
				if odd.Load() {
					delete(claims["kubernetes.io"].(map[string]any)[of].(map[string]any), "uid")
				}
			})
			edge := apply(t, newEdge())
			g.Expect(awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonRequestFailed).Message).
				To(ContainSubstring("does not say which account and which Secret it is bound to"))
			awaitReason(t, edge, edgev1.Ready, edgev1.ReasonRequestFailed)
			g.Expect(condition(t, edge, edgev1.Stalled).Status).To(Equal(metav1.ConditionTrue))
			for range 11 {
				o.clock.SetTime(o.clock.Now().Add(5 * time.Minute))
				o.pass(t, edge)
			}
			g.Expect(issued.Load()).To(Equal(int32(1)))
			g.Expect(boundSecretsOf(t, edge, edgev1.TokenPublisher)).To(BeEmpty(), "what was issued is revoked")

			odd.Store(false)
			o.clock.SetTime(o.clock.Now().Add(6 * time.Minute))
			o.pass(t, edge)
			awaitReady(t, edge)
			g.Expect(issued.Load()).To(Equal(int32(3)))
		})
	}
}
