// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"crypto/x509"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// Scope is one pass over one EdgeRegistry, and the only way by which data goes from step to step. It holds observations; each
// field says which step sets it.
type Scope struct {
	Edge *edgev1.EdgeRegistry
	Now  time.Time
	// Memory is what this process remembers of the EdgeRegistry.
	Memory *Memory
	// Record is the record of the EdgeRegistry, to which the pass adds.
	Record *Record
	// Home is where the Secrets are, and Noun what messages call a credential. Provider.Begin sets them.
	Home Home
	Noun string
	// Registry is where the images are. The provider's own steps set it.
	Registry Registry
	// Used is how much of each quota is used; empty if unknown. The provider's own steps set it.
	Used []Usage
	// Secrets are those of the EdgeRegistry in its home, by name, as the provider read them in this pass.
	Secrets map[string]*corev1.Secret
	// SecretsListed and BindingsListed are the resource versions at which the pass listed the Secrets and the role bindings in
	// the home; empty if it did not.
	SecretsListed, BindingsListed string
	// Free are names in the home under which this pass found no Secret.
	Free sets.Set[string]
	// Publisher and Puller are the two logins. The provider and CredentialsIssued fill them.
	Publisher, Puller Login
	// CA is the desired ca.crt, Reached how the host was reached, and Unreachable why it could not be. RegistryTrusted sets them.
	CA          []byte
	Reached     Reached
	Unreachable error
	// Confirmed is the live read that the EdgeRegistry still exists, before anything is created for it.
	Confirmed *Confirmation
	// Nodes is what is known of nodes that pull with the puller's login. ExchangeUpdated sets it.
	Nodes Nodes
	// Settled: by the record, all that is wanted was written before this pass. A step that wants something else clears it.
	Settled bool
	// Wrote: this pass has changed an object.
	Wrote bool
	// Notes are events to send once the status is written.
	Notes []Note
	// Next is when something is due again; zero when nothing is.
	Next time.Time
}

// Nouns for a credential in messages.
const (
	NounToken = "token"
	NounKey   = "key"
	NounRobot = "robot"
	NounLogin = "login"
)

// Home is the namespace of the two Secrets, and how messages speak of it.
type Home struct {
	// Namespace is its name, and Noun what people call it, such as "project".
	Namespace, Noun string
	// Terminating is the reason of a step that meets a home that is being deleted.
	Terminating string
	// AfterDeletion says in a message what is done once a home that is being deleted is gone.
	AfterDeletion string
	// Invite returns the command by which the owner invites the operator, and LessGranted says why that may be needed although
	// the operator was invited; empty if no reason is known.
	Invite      func() string
	LessGranted string
	// ByInvitation: the operator works there only if its owner invited it, which the shared step NamespaceReady checks.
	ByInvitation bool
}

// Usage is how much of a quota is used: 1 for all.
type Usage struct {
	Of    string
	Share float64
}

// Registry is where the images are.
type Registry struct {
	// Host is the registry's host, with its port if it has one, and Repository the common prefix of image names in it, without
	// slashes at the ends.
	Host, Repository string
	// Inside is a second address of the same host inside the cluster, as host:port, with InsideName for messages; empty if there
	// is none.
	Inside, InsideName string
	// Warnings say why pushes or pulls may fail although login and rights are right. Each names the field to change.
	Warnings []string
	// State is what the registry's own operator reports, without a full stop; empty if nothing.
	State string
	// Advice says what to do if the registry cannot be used.
	Advice Advice
	// CARemedy says what to do about a root that expires soon, by where it was found; empty for the general advice.
	CARemedy func(source trust.Source, root *x509.Certificate) string
	// Dialect is how it answers.
	Dialect registry.Dialect
	// ReadOnly: the registry is set to refuse pushes.
	ReadOnly bool
	// Trial is the repository on which rights are tried, if the dialect needs a named one; empty for none.
	Trial string
	// PublicCAs: public CAs may verify the host; if they do, there is no ca.crt.
	PublicCAs bool
	// Forbidden is why nothing may be sent to the host; nil if it may.
	Forbidden error
}

// Advice says what to do if a registry cannot be used, by the kind of failure. Where it is empty, messages give the general
// advice.
type Advice struct {
	Trust map[trust.Kind]string
	Probe map[registry.Kind]string
	// ReadOnly is a clause that names the setting which allows pushes although they are refused.
	ReadOnly string
}

// ImagePrefix is what every image name begins with.
func (r Registry) ImagePrefix() string {
	if r.Repository == "" {
		return r.Host
	}
	return r.Host + "/" + r.Repository
}

// Reached is how a pass reached the registry's host.
type Reached struct {
	// Inside is the second address that was used because Host did not answer, for the reason Direct; empty if the host itself
	// was used.
	Inside, InsideName, Host string
	Direct                   error
	// Inspected is the certificate that a TLS-inspecting proxy showed for Host. Direct is nil then.
	Inspected string
}

// Confirmation is one live read that the goroutines of a pass share.
type Confirmation struct {
	sync.Mutex
	Done bool
}

// Note is an event to send.
type Note struct {
	Reason, Message string
	// About is the related object, or nil. It also keeps events about different objects from being merged.
	About runtime.Object
}

// NewScope begins a pass.
func NewScope(edge *edgev1.EdgeRegistry, now time.Time, memory *Memory) *Scope {
	return &Scope{
		Edge: edge, Now: now, Noun: NounToken, Memory: memory, Record: &Record{}, Confirmed: &Confirmation{},
		Secrets: map[string]*corev1.Secret{}, Free: sets.Set[string]{},
		Publisher: Login{Role: edgev1.TokenPublisher, Secret: PublishSecretName(edge)},
		Puller:    Login{Role: edgev1.TokenPuller, Secret: PullSecretName(edge)},
	}
}

// Branch returns a scope for concurrent work in the same pass, with Notes of its own.
func (s *Scope) Branch() *Scope {
	branch := *s
	branch.Wrote, branch.Notes = false, nil
	return &branch
}

// Logins returns the logins that the EdgeRegistry has, the publisher's first.
func (s *Scope) Logins() []*Login {
	if s.Publisher.Absent {
		return []*Login{&s.Puller}
	}
	return []*Login{&s.Publisher, &s.Puller}
}

// LoginOf returns the login of a role; nil if the EdgeRegistry has none.
func (s *Scope) LoginOf(role edgev1.TokenRole) *Login {
	for _, l := range s.Logins() {
		if l.Role == role {
			return l
		}
	}
	return nil
}

// Due requests a pass at a time.
func (s *Scope) Due(at time.Time) {
	if s.Next.IsZero() || at.Before(s.Next) {
		s.Next = at
	}
}

// SecretOf returns a reference to the published Secret of a login, for events.
func (s *Scope) SecretOf(l *Login) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Home.Namespace, Name: l.Secret}}
}

// Note adds an event.
func (s *Scope) Note(reason, message string, about runtime.Object) {
	s.Notes = append(s.Notes, Note{reason, message, about})
}

// NoteLost adds the event that a credential which no Secret carries was revoked.
func (s *Scope) NoteLost(l *Login, generation int64, about runtime.Object) {
	s.Note(edgev1.ReasonTokenRetired, l.Name(generation)+" was lost before it was published, and is revoked", about)
}

// PublishSecretName returns the name of the Secret for pipelines.
func PublishSecretName(edge *edgev1.EdgeRegistry) string {
	if name := edge.Spec.Secrets.Publish.Name; name != "" {
		return name
	}
	return edge.Name + "-publish"
}

// PullSecretName returns the name of the Secret for edge nodes and workloads.
func PullSecretName(edge *edgev1.EdgeRegistry) string {
	if name := edge.Spec.Secrets.Pull.Name; name != "" {
		return name
	}
	return edge.Name + "-pull"
}
