// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
)

// away fails so many requests for the EdgeRegistry, as an API server that restarts does.
type away struct {
	next        http.RoundTripper
	left, asked int
}

func (a *away) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/edgeregistries/"+factory) {
		return a.next.RoundTrip(r)
	}
	a.asked++
	if a.asked <= a.left {
		return nil, errors.New("connection refused")
	}
	return a.next.RoundTrip(r)
}

func TestWhoWaitsOutlastsAnAPIServerThatIsAway(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		config  *rest.Config
		left    int
		timeout time.Duration
		asked   int
		fails   string
	}{
		"twice":           {w.Admin, 2, time.Minute, 3, ""},
		"for ever":        {w.Admin, 1 << 30, time.Second, 0, "the operator was asked, and within 1s its answer could not be read: get the EdgeRegistry factory: "},
		"not, and denies": {rest.AnonymousClientConfig(w.Admin), 0, time.Minute, 1, "you may not get the EdgeRegistry factory"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			config, between := rest.CopyConfig(c.config), &away{left: c.left}
			config.Wrap(func(next http.RoundTripper) http.RoundTripper {
				between.next = next
				return between
			})
			connected, err := cluster.Connect(config)
			g.Expect(err).NotTo(HaveOccurred())
			edge, err := plugin(&bytes.Buffer{}, &bytes.Buffer{}).await(t.Context(), connected, factory, c.timeout, func(*edgev1.EdgeRegistry) bool { return true })
			if c.fails != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.fails)))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(edge.Name).To(Equal(factory))
			}
			if c.asked > 0 {
				g.Expect(between.asked).To(Equal(c.asked))
			}
		})
	}
}
