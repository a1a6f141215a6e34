// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
)

// expiryWarning is how long before its expiry a supplied key is reported.
const expiryWarning = 30 * 24 * time.Hour

// useAccount makes sure that IBM Cloud accepts the supplied key, and that the key's account is the right one. If the key cannot be
// used for a while, the published logins stay and the steps after this one go on.
func (s *session) useAccount(ctx context.Context) (pass.Done, error) {
	done, err := s.connect(ctx)
	if err == nil {
		return done, nil
	}
	s.client, s.clientErr = nil, err
	b := pass.AsBlocked(err)
	if b == nil || b.Reason == edgev1.ReasonCredentialNotGranted || b.Reason == edgev1.ReasonAccountMismatch || s.Record.Settled == 0 {
		return pass.Done{}, err
	}
	b.CarryOn = true
	return pass.Done{}, b
}

// connect reads the supplied key, makes the client, and checks the account.
func (s *session) connect(ctx context.Context) (pass.Done, error) {
	key, err := s.readSupplied(ctx)
	if err != nil {
		return pass.Done{}, err
	}
	private := s.spec.APIEndpoints == edgev1.IBMCloudPrivate
	s.cloud = s.clouds.of(key, private)
	s.client = ibmcloud.New(ibmcloud.Config{
		HTTP: s.clouds.http, Endpoints: ibmcloud.EndpointsOf(string(s.spec.Region), private), Key: key, Clock: s.Clock, Tokens: &s.clouds.tokens,
	})
	return s.checkAccount(ctx, key)
}

func (s *session) checkAccount(ctx context.Context, key credential.Token) (pass.Done, error) {
	found, at, err := s.cloud.account.get(s.Now, func() (checked, error) { return check(ctx, s.client, key) })
	if err != nil {
		return pass.Done{}, s.explain(err, "an identity of its own account")
	}
	s.Due(at.Add(listLife))
	known := ""
	if s.Record.Remote != nil {
		known = s.Record.Remote.Account
	}
	switch {
	case s.spec.AccountID != "" && found.ID != s.spec.AccountID:
		return pass.Done{}, pass.Stalled(edgev1.ReasonAccountMismatch,
			"%s is one of account %s, and spec.ibmCloud.accountID is %s: supply a key of that account, or correct the field", s.supplied(), found.ID, s.spec.AccountID)
	case known != "" && found.ID != known:
		return pass.Done{}, pass.Stalled(edgev1.ReasonAccountMismatch,
			"%s is one of account %s, and what was made for this EdgeRegistry is in account %s: supply a key of that account", s.supplied(), found.ID, known)
	case found.key.Disabled:
		return pass.Done{}, pass.Stalled(edgev1.ReasonKeyRefused,
			"%s is disabled, as IBM Cloud does with a key that is found in public: make another, put it in its place and delete the old one", s.supplied())
	}
	s.account = found.ID
	if ends := found.key.ExpiresAt; !ends.IsZero() && s.Now.After(ends.Add(-expiryWarning)) {
		return pass.DoneBecause(edgev1.ReasonKeyExpiring, "account %s accepts %s, which expires at %s: supply another before", found.ID, s.supplied(), pass.Timestamp(ends)), nil
	}
	return pass.DoneBecause(edgev1.ReasonKeyAccepted, "account %s accepts %s", found.ID, s.supplied()), nil
}
