// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestARegistryAnswersWithoutAToken(t *testing.T) {
	g := NewWithT(t)
	o := startOpenShift(t)
	g.Expect(New(host, o.transport(), spoken).Answers(t.Context())).To(Succeed())
	g.Expect(o.seen()).To(Equal([]string{"GET /v2/"}))
	o.override["GET /v2/"] = status(http.StatusServiceUnavailable)
	g.Expect(New(host, o.transport(), spoken).Answers(t.Context())).To(MatchError(ContainSubstring("answered 503")))
}

func TestATokenIsAcceptedWhateverItMayDo(t *testing.T) {
	g := NewWithT(t)
	o := startOpenShift(t)
	for _, known := range []string{publisherToken, pullerToken, strangerToken} {
		g.Expect(New(host, o.transport(), spoken).Accepts(t.Context(), "factory", "edge-puller.factory", credential.NewToken(known))).To(Succeed())
	}
	expectNothingBegun(t, o)
	for name, unknown := range map[string]credential.Token{"an unknown one": credential.NewToken(garbageToken), "none": {}} {
		err := New(host, o.transport(), spoken).Accepts(t.Context(), "factory", "edge-puller.factory", unknown)
		g.Expect(err).To(HaveField("Kind", Refused), name)
	}
	o.override["GET "+tokenPath] = status(http.StatusServiceUnavailable)
	err := New(host, o.transport(), spoken).Accepts(t.Context(), "factory", "edge-puller.factory", credential.NewToken(pullerToken))
	g.Expect(err).To(HaveField("Kind", Unavailable), "no answer is not a refusal")
}
