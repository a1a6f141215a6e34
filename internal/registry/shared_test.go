// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

// This file is about what clients of one process share: what a registry answers to everybody.

import (
	"net/http"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// sharing is a client of a registry beside others.
type sharing struct {
	shared     *Shared
	cas        string
	now        time.Time
	tokenHosts []string
}

func (s sharing) client(r *running) *Client {
	c := r.client(s.tokenHosts...)
	c.Share(s.shared, []byte(s.cas), s.now)
	return c
}

// asks returns what a trial of both logins asks the registry, as if nobody had a name.
func (s sharing) asks(t *testing.T, r *running, repository string) []string {
	t.Helper()
	g := NewWithT(t)
	c := s.client(r)
	r.requests = nil
	for user, want := range map[string]Access{pusher: {Pull: true, Push: true}, reader: {Pull: true}} {
		got, err := c.Probe(t.Context(), repository, user, credential.NewToken(user+"-secret"))
		g.Expect(err).NotTo(HaveOccurred())
		want.Anonymous = r.public
		g.Expect(got).To(Equal(want))
	}
	return slices.Clone(r.requests)
}

// The least that proves what is claimed is one request for each right of each login. What is the same for everybody is requested once
// in a while by whoever comes first: how to log in once for all of a registry, and the control once for a repository.
func TestWhatEverybodyIsToldIsAskedForOnce(t *testing.T) {
	for name, own := range map[string]int{"distribution with htpasswd": 4, "distribution with tokens": 4 + 3, "Harbor": 4 + 3, "ICR as documented": 4 + 3, "ECR": 4} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, standIns[name])
			control := map[string]int{"Basic": 1, "Bearer": 2}[r.wants]
			if name == "ICR as documented" {
				control = 1 // It gives no token without a login.
			}
			first := sharing{shared: &Shared{}, now: time.Now()}
			g.Expect(first.asks(t, r, "plant/there")).To(HaveLen(1 + control + own))
			g.Expect(first.asks(t, r, "plant/there")).To(HaveLen(own))
			g.Expect(first.asks(t, r, "plant/there/too")).To(HaveLen(control + own))

			for who, another := range map[string]sharing{
				"after a while": {shared: first.shared, now: first.now.Add(sharedFor)}, "with a clock that is behind": {shared: first.shared, now: first.now.Add(-time.Second)},
				"who trusts others": {shared: first.shared, now: first.now, cas: "others"}, "of another process": {shared: &Shared{}, now: first.now},
			} {
				g.Expect(another.asks(t, r, "plant/there")).To(HaveLen(1+control+own), who)
			}
			first.now = first.now.Add(2 * sharedFor)
			first.asks(t, r, "plant/there")
			g.Expect(first.shared.known).To(HaveLen(2), "what is old is dropped")
		})
	}
}

// What is said of a repository that does not exist is no longer true once it does.
func TestTheControlOfAnAbsentRepositoryIsNotShared(t *testing.T) {
	g := NewWithT(t)
	r := start(t, standIns["distribution with tokens"])
	s := sharing{shared: &Shared{}, now: time.Now()}
	got, err := s.client(r).Probe(t.Context(), "plant/later", pusher, credential.NewToken(pusher+"-secret"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.Unproven).To(Equal(RepositoryAbsent))
	r.public, r.there = true, "plant/later"
	g.Expect(s.asks(t, r, "plant/later")).NotTo(BeEmpty())
}

// Whether a registry is there is asked of itself.
func TestToBeThereIsNotRemembered(t *testing.T) {
	g := NewWithT(t)
	r := start(t, standIns["distribution with htpasswd"])
	c := sharing{shared: &Shared{}, now: time.Now()}.client(r)
	for range 2 {
		g.Expect(c.Answers(t.Context())).To(Succeed())
	}
	g.Expect(r.requests).To(Equal([]string{"GET /v2/", "GET /v2/"}))
}

// A registry whose way to take logins was changed is asked again before a login is refused, and one that takes it is not asked
// again.
func TestAChangedRegistryRefusesNobody(t *testing.T) {
	for name, forms := range map[string][2]string{
		"tokens instead of logins": {"distribution with htpasswd", "distribution with tokens"},
		"logins instead of tokens": {"distribution with tokens", "distribution with htpasswd"},
		"another token service":    {"distribution with tokens", "Harbor"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := start(t, standIns[forms[0]])
			s := sharing{shared: &Shared{}, now: time.Now()}
			s.asks(t, r, "plant/there")
			r.standIn = standIns[forms[1]]
			s.asks(t, r, "plant/there")
			g.Expect(s.asks(t, r, "plant/there")).NotTo(ContainElement("GET /v2/"), "the change is known to all")

			r.standIn = standIns[forms[0]]
			g.Expect(s.client(r).Accepts(t.Context(), "", reader, credential.NewToken(reader+"-secret"))).To(Succeed())
			g.Expect(s.client(r).Accepts(t.Context(), "", reader, credential.NewToken("a-wrong-secret"))).To(HaveField("Kind", Refused))
		})
	}
}

// Nobody's login goes where somebody else's may.
func TestWhereTokensAreGivenIsJudgedByEach(t *testing.T) {
	g := NewWithT(t)
	r := start(t, standIns["GitLab"])
	first := sharing{shared: &Shared{}, now: time.Now(), tokenHosts: []string{tokenHost}}
	first.asks(t, r, "plant/there")
	clear(r.hosts)
	_, err := sharing{shared: first.shared, now: first.now}.client(r).Probe(t.Context(), "plant/there", reader, credential.NewToken(reader+"-secret"))
	g.Expect(err).To(HaveField("Kind", OtherTokenHost))
	g.Expect(r.hosts).To(BeEmpty())
}

// Of a registry that asks nobody for a login there is one question in a trial, and that is not spared.
func TestAnOpenRegistryIsAskedEachTime(t *testing.T) {
	g := NewWithT(t)
	r := start(t, standIn{public: true})
	r.instead = func(*http.Request) (string, bool) { return "{}", true }
	s := sharing{shared: &Shared{}, now: time.Now()}
	for range 2 {
		r.requests = nil
		got, err := s.client(r).Probe(t.Context(), "", reader, credential.NewToken(reader+"-secret"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(Access{Pull: true, Anonymous: true, Unproven: NoRepository}))
		g.Expect(r.requests).To(Equal([]string{"GET /v2/"}))
	}
}
