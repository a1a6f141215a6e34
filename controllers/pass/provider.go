// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// Provider is a kind of registry.
type Provider interface {
	// Begin begins a pass over an EdgeRegistry of the provider's. It sends nothing.
	Begin(*Scope) Session
	// Watch starts the provider's watches, which call enqueue for each EdgeRegistry that a change may concern, or with an empty
	// name for all. It is called once, for the first EdgeRegistry of the provider.
	Watch(ctx context.Context, enqueue func(edge string)) error
	// Forget releases what is kept for an EdgeRegistry that is gone.
	Forget(types.UID)
}

// Session is one EdgeRegistry of a provider during one pass. It keeps what its steps read.
type Session interface {
	// Steps are the provider's own, in their order. They come before the shared ones.
	Steps() []Step
	// CASources returns the places that may hold the CA of the registry: those about this very registry, or with far those that
	// are about others too.
	CASources(ctx context.Context, far bool) ([]trust.Candidate, error)
	Issuer
	// Cleanups undo, in this order, what was done for an EdgeRegistry that is being deleted.
	Cleanups() []Cleanup
}

// Issuer makes credentials. Each is recorded before it exists, so that a crash leaves no unknown one.
type Issuer interface {
	// Current finds the credential that the published Secret carries, and why it has to be replaced, as far as the issuer knows.
	// It fills Published, Credential and Begun of the login, drops an Unpublished one that no longer works, and revokes
	// credentials that were lost before they were published.
	Current(context.Context, *Login) (Cause, error)
	// Issue makes a credential, or completes one that was begun. Afterwards the login's Begun says what exists, also after an
	// error.
	Issue(context.Context, *Login, Cause) (Credential, error)
	// Revoke ends a credential that no Secret carries, at once. An absent one is no error.
	Revoke(context.Context, *Login, Credential) error
	// Retire puts the published credentials on record, ends those whose promised lifetime is over, and fills Alive of both
	// logins. It runs once the Secrets are written.
	Retire(context.Context) error
	// Dead asks whether the issuer refuses the login's credential. Only a clear refusal counts.
	Dead(context.Context, *Login) (bool, error)
	// Whose says whose a login is that was found in an Exchange for the registry's host. With an error that is unknown.
	Whose(ctx context.Context, user string, token credential.Token) (exchange.Owner, error)
}

// Cleanup is one part of a deletion. Each is idempotent: absent objects are fine.
type Cleanup struct {
	// What says what it does, as in "cannot What".
	What string
	Run  func(context.Context) error
}
