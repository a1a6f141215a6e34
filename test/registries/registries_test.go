// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registries has the operator and its probe judged by registries that we did not write: distribution, with logins by
// htpasswd and by tokens, and the one that Debian packages. It is a module of its own, for what those require.
package registries

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/registry"
)

func TestTheProbeWhereUsersAreToldApart(t *testing.T) {
	g := NewWithT(t)
	j, _ := byTokens(t)
	before := j.files(t)
	for _, user := range []string{pusher, puller} {
		access, err := j.probe(t, image, user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(registry.Access{Pull: true, Unproven: registry.RepositoryAbsent}), user)
		access, err = j.probe(t, "", user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(registry.Access{Unproven: registry.NoRepository}), user)
	}
	g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")

	j.push(t)
	before = j.files(t)
	for user, want := range map[string]registry.Access{pusher: {Pull: true, Push: true}, puller: {Pull: true}} {
		access, err := j.probe(t, image, user, password(user))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(want), user)
	}
	g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")
}

func TestTheProbeWhereUsersAreNotToldApart(t *testing.T) {
	eachJudge(t, func(t *testing.T, j *judge) {
		if j.tellsApart {
			return
		}
		g := NewWithT(t)
		before := j.files(t)
		access, err := j.probe(t, image, pusher, password(pusher))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(registry.Access{Pull: true, Push: true}))
		g.Expect(j.files(t)).To(Equal(before), "nothing is left behind")

		j.push(t)
		access, err = j.probe(t, image, puller, password(puller))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(access).To(Equal(registry.Access{Pull: true, Push: true}), "it cannot tell users apart, and that is found")
	})
}

func TestTheProbeWithAWrongPassword(t *testing.T) {
	eachJudge(t, func(t *testing.T, j *judge) {
		for _, repository := range []string{"", image} {
			t.Run(repository, func(t *testing.T) {
				access, err := j.probe(t, repository, puller, "wrong")
				g := NewWithT(t)
				g.Expect(access).To(BeZero())
				g.Expect(err).To(HaveField("Kind", registry.Refused))
			})
		}
	})
}
