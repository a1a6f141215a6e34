// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what a start costs, which all EdgeRegistries pay at once.

import (
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	"github.com/edge-registry/edge-registry-operator/controllers/openshift"
)

// A watch from now on costs the API server a look at all objects of the kind, and the EdgeRegistry another pass.
func TestAStartWatchesEachProjectFromWhatThePassListed(t *testing.T) {
	g := NewWithT(t)
	first := startOperator(t)
	edge := awaitReady(t, apply(t, newEdge()))
	first.stop(t)
	var mu sync.Mutex
	from := map[string]string{}
	startOperator(t, func(o *operator, _ *rest.Config) {
		o.wire.intercept = func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.URL.Query().Get("watch") == "true" && strings.Contains(r.URL.Path, "/namespaces/"+openshift.ProjectName(edge)+"/") {
				mu.Lock()
				from[path.Base(r.URL.Path)] = r.URL.Query().Get("resourceVersion")
				mu.Unlock()
			}
			return next.RoundTrip(r)
		}
	})
	g.Eventually(func(g Gomega) {
		mu.Lock()
		defer mu.Unlock()
		g.Expect(from).To(And(HaveKey("serviceaccounts"), HaveKey("rolebindings"), HaveKey("secrets")))
		g.Expect(from).NotTo(ContainElement(""), "%v", from)
	}).WithTimeout(soon).Should(Succeed())
}

// The passes of a start follow each other anyway, so no review waits for another pass.
func TestAStartReviewsEachTokenInItsFirstPass(t *testing.T) {
	p := newPurge(t)
	p.install(t, 2)
	p.refuse(t, 0)
	p.restart(t)
	p.wakeAll(t)
	p.run(t, 0)
	NewWithT(t).Expect(p.reviews).To(HaveLen(4), "both tokens of each")
	p.run(t, 10*time.Second)
	NewWithT(t).Expect(p.reviews).To(HaveLen(4), "once")
}
