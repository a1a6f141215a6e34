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

// Scope is one pass over one EdgeRegistry, and the only way by which data goes from step to step.
// It holds observations; each field says which step makes them.
type Scope struct {
	Edge *edgev1.EdgeRegistry
	Now  time.Time
	// Memory is what this process remembers of the EdgeRegistry.
	Memory *Memory
	// Record is what was known of the EdgeRegistry before this pass, and what it adds to that.
	Record *Record
	// Home is where the Secrets are, and Noun what messages call a credential, by the provider as it begins.
	Home Home
	Noun string
	// Registry is where the images are, by the provider's own steps.
	Registry Registry
	// Used is how much of quotas is used, by the provider's own steps; empty where that is not known.
	Used []Usage
	// Secrets are those of the EdgeRegistry in its home by their names, as this pass read them. They are read by the provider.
	Secrets map[string]*corev1.Secret
	// SecretsListed and BindingsListed are the resource versions at which the pass listed the Secrets and the role bindings in
	// the home; empty where it did not.
	SecretsListed, BindingsListed string
	// Free are names in the home under which this pass found no Secret, beyond those that it read.
	Free sets.Set[string]
	// Publisher and Puller are the two logins, by the provider and by CredentialsIssued.
	Publisher, Puller Login
	// CA is what ca.crt has to hold, Reached how the host was asked, and Unreachable why it could not be, by RegistryTrusted.
	CA          []byte
	Reached     Reached
	Unreachable error
	// Confirmed is that the EdgeRegistry was seen to be there, by a live read, before anything was made for it.
	Confirmed *Confirmation
	// Nodes is what is known of nodes that pull with the puller's login, by ExchangeUpdated.
	Nodes Nodes
	// Settled: by the record, all that is wanted was written before this pass. False once a step wants something else.
	Settled bool
	// Wrote: this pass has changed an object.
	Wrote bool
	// Notes are acts to report in events, once the status is written.
	Notes []Note
	// Next is when something is due again; zero when nothing is.
	Next time.Time
}

// What messages call a credential.
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
	// AfterDeletion says what is done once a home that is being deleted is gone.
	AfterDeletion string
	// Invite returns the command by which the owner lets the operator in, and LessGranted says why that may be needed though the
	// operator was let in; empty where nothing is known.
	Invite      func() string
	LessGranted string
	// ByInvitation: the operator works there only if its owner let it in, which the shared step NamespaceReady finds out.
	ByInvitation bool
}

// Usage is how much of a quota is used: 1 for all.
type Usage struct {
	Of    string
	Share float64
}

// Registry is where the images are.
type Registry struct {
	// Host is the registry's host, and Repository what comes before the name of each image in it, without slashes at the ends.
	Host, Repository string
	// Inside is a second address of the same host inside the cluster, as host:port, with InsideName for messages; empty
	// where there is none.
	Inside, InsideName string
	// Warnings are reasons for which people may fail to push or nodes to pull although login and rights are right. Each
	// names the field to change.
	Warnings []string
	// State is what its own operators say of it, without a full stop; empty where they say nothing.
	State string
	// Advice says what to do where it cannot be used.
	Advice Advice
	// CARemedy says what to do about a root that ends soon, by where it was found; empty for what is always said.
	CARemedy func(source trust.Source, root *x509.Certificate) string
	// Dialect is how it speaks.
	Dialect registry.Dialect
	// ReadOnly: the registry is set to refuse pushes.
	ReadOnly bool
	// Trial is the repository that rights are tried on, where the dialect needs one that is named; empty for none.
	Trial string
	// PublicCAs: where public CAs verify the host, there is no ca.crt.
	PublicCAs bool
	// Forbidden is why nothing may be sent to the host; nil where it may.
	Forbidden error
}

// Advice says what to do where a registry cannot be used, by what is wrong. Where it says nothing, what is true of every
// registry is said.
type Advice struct {
	Trust map[trust.Kind]string
	Probe map[registry.Kind]string
	// ReadOnly is which setting it contradicts that pushes are refused, as a clause.
	ReadOnly string
}

// ImagePrefix is what every image name begins with.
func (r Registry) ImagePrefix() string {
	if r.Repository == "" {
		return r.Host
	}
	return r.Host + "/" + r.Repository
}

// Reached is how a pass comes to the registry's host.
type Reached struct {
	// Inside is the second address that was asked instead of Host, which does not answer for the reason Direct; empty when
	// the host itself was asked.
	Inside, InsideName, Host string
	Direct                   error
	// Inspected is the certificate that Host was seen to have instead: by a proxy on the way, which shows those of its own. Direct is nil
	// then.
	Inspected string
}

// Confirmation is one live read for all that several goroutines of a pass want to make.
type Confirmation struct {
	sync.Mutex
	Done bool
}

// Note is an act to report in an event.
type Note struct {
	Reason, Message string
	// About is the object that the act was on, or nil. It also keeps the events of several objects apart.
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

// Branch is a scope for work beside other work of the same pass: what it reports is its own.
func (s *Scope) Branch() *Scope {
	branch := *s
	branch.Wrote, branch.Notes = false, nil
	return &branch
}

// Logins are the logins that there are, the publisher's first.
func (s *Scope) Logins() []*Login {
	if s.Publisher.Absent {
		return []*Login{&s.Puller}
	}
	return []*Login{&s.Publisher, &s.Puller}
}

// LoginOf is the login of a role; nil where the EdgeRegistry has none.
func (s *Scope) LoginOf(role edgev1.TokenRole) *Login {
	for _, l := range s.Logins() {
		if l.Role == role {
			return l
		}
	}
	return nil
}

// Due notes that something is due at a time.
func (s *Scope) Due(at time.Time) {
	if s.Next.IsZero() || at.Before(s.Next) {
		s.Next = at
	}
}

// SecretOf stands for the Secret of a login in events.
func (s *Scope) SecretOf(l *Login) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Home.Namespace, Name: l.Secret}}
}

// Note notes an act.
func (s *Scope) Note(reason, message string, about runtime.Object) {
	s.Notes = append(s.Notes, Note{reason, message, about})
}

// NoteLost notes that a credential which no Secret carries was revoked.
func (s *Scope) NoteLost(l *Login, generation int64, about runtime.Object) {
	s.Note(edgev1.ReasonTokenRetired, l.Name(generation)+" was lost before it was published, and is revoked", about)
}

// PublishSecretName is the name of the Secret for pipelines.
func PublishSecretName(edge *edgev1.EdgeRegistry) string {
	if name := edge.Spec.Secrets.Publish.Name; name != "" {
		return name
	}
	return edge.Name + "-publish"
}

// PullSecretName is the name of the Secret for edge nodes and workloads.
func PullSecretName(edge *edgev1.EdgeRegistry) string {
	if name := edge.Spec.Secrets.Pull.Name; name != "" {
		return name
	}
	return edge.Name + "-pull"
}
