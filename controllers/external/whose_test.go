// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external

import (
	"testing"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Some registries give one user tokens of different rights: an entry of the puller is not called one that may push.
func TestWhoseASuppliedLoginIs(t *testing.T) {
	for name, tt := range map[string]struct {
		publisher, puller string
		user, token       string
		want              exchange.Owner
	}{
		"the publisher's":                        {"push", "pull", "push", "push-token", exchange.Publisher},
		"the publisher's of before":              {"push", "pull", "push", "old-token", exchange.Publisher},
		"the puller's of before":                 {"push", "pull", "pull", "old-token", exchange.Puller},
		"one of a user of before":                {"push", "pull", "pull-before", "old-token", exchange.Puller},
		"nobody's":                               {"push", "pull", "Pull", "pull-token", exchange.Nobody},
		"one user: the publisher's in use":       {"both", "both", "both", "push-token", exchange.Publisher},
		"one user: the puller's in use":          {"both", "both", "both", "pull-token", exchange.Puller},
		"one user: a token of before":            {"both", "both", "both", "old-token", exchange.Puller},
		"a user that was the puller's before it": {"pull-before", "pull", "pull-before", "old-token", exchange.Puller},
	} {
		t.Run(name, func(t *testing.T) {
			s := begun()
			s.Record = &pass.Record{Issued: []pass.Issued{{Role: edgev1.TokenPuller, User: "pull-before"}}}
			s.Publisher.User, s.Puller.User = tt.publisher, tt.puller
			s.Publisher.Credential.Token, s.Puller.Credential.Token = credential.NewToken("push-token"), credential.NewToken("pull-token")
			NewWithT(t).Expect(s.Whose(t.Context(), tt.user, credential.NewToken(tt.token))).To(Equal(tt.want))
		})
	}
}
