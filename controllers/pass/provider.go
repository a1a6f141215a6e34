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
	// Watch starts what tells the provider of changes, and calls enqueue for each EdgeRegistry that a change may concern, or
	// with no name for all. It is called once, for the first EdgeRegistry of the provider.
	Watch(ctx context.Context, enqueue func(edge string)) error
	// Forget drops what is kept of an EdgeRegistry that is gone.
	Forget(types.UID)
}

// Session is one EdgeRegistry of a provider during one pass. It keeps what its steps read.
type Session interface {
	// Steps are the provider's own, in their order. They come before the shared ones.
	Steps() []Step
	// CASources are the places that may vouch for the registry's certificate: those that speak of this very registry, or
	// with far those that speak of others too.
	CASources(ctx context.Context, far bool) ([]trust.Candidate, error)
	Issuer
	// Cleanups undo, in their order, what was done for an EdgeRegistry that is being deleted.
	Cleanups() []Cleanup
}

// Issuer makes credentials. What it makes is written ahead: after a crash nothing lives that nobody knows.
type Issuer interface {
	// Current finds the credential that the published Secret carries, and why there has to be another, as far as the issuer
	// can tell. It fills Published, Credential and Begun of the login, drops an Unpublished one that no longer works, and ends
	// what was lost on its way.
	Current(context.Context, *Login) (Cause, error)
	// Issue makes a credential. Where one was begun, that is completed, and none is made beside it. The login's Begun says
	// afterwards what exists, also if there is an error.
	Issue(context.Context, *Login, Cause) (Credential, error)
	// Revoke ends a credential that no Secret carries, at once. One that is gone is no error.
	Revoke(context.Context, *Login, Credential) error
	// Retire puts the published credentials on record, ends those that have outlived their promise, and fills Alive of both
	// logins. It runs once the Secrets are written.
	Retire(context.Context) error
	// Dead asks whether the issuer refuses the login's credential. Only a clear refusal counts.
	Dead(context.Context, *Login) (bool, error)
	// Whose says whose a login is that was found in an Exchange for the registry's host. With an error nobody knows.
	Whose(ctx context.Context, user string, token credential.Token) (exchange.Owner, error)
}

// Cleanup is one part of a deletion. Each is idempotent: absent objects are fine.
type Cleanup struct {
	// What it does, as in "cannot What".
	What string
	Run  func(context.Context) error
}
