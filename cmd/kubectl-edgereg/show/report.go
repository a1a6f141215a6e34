// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// State is what an EdgeRegistry is doing, in one word.
type State string

const (
	// Ready: every step is done, for the spec as it is now.
	Ready State = "Ready"
	// Waiting: the operator goes on by itself as soon as something changes.
	Waiting State = "Waiting"
	// Stalled: a person has to act.
	Stalled State = "Stalled"
	// Suspended: spec.suspend is true, and the operator writes nothing.
	Suspended State = "Suspended"
	// Deleting: the EdgeRegistry is being deleted.
	Deleting State = "Deleting"
)

// Report is what `status -o json` prints. Times are RFC 3339 in UTC; what is unknown or not there is absent.
type Report struct {
	// EdgeRegistries by name: one if a name was given.
	EdgeRegistries []Registry `json:"edgeRegistries"`
}

// Registry is what is shown of one EdgeRegistry. It never holds a token.
type Registry struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Reason and Message are those of the condition Ready.
	Reason      string       `json:"reason"`
	Message     string       `json:"message"`
	Provider    string       `json:"provider,omitempty"`
	Host        string       `json:"host,omitempty"`
	ImagePrefix string       `json:"imagePrefix,omitempty"`
	VerifiedAt  *metav1.Time `json:"verifiedAt,omitempty"`
	// Conditions are the steps in their order, without Ready, Reconciling and Stalled.
	Conditions  []Condition  `json:"conditions"`
	Credentials []Credential `json:"credentials,omitempty"`
	CA          *CA          `json:"ca,omitempty"`
	Secrets     []Secret     `json:"secrets,omitempty"`
	Exchange    *Exchange    `json:"exchange,omitempty"`
}

// Condition is one step.
type Condition struct {
	Type    string       `json:"type"`
	Status  string       `json:"status"`
	Reason  string       `json:"reason"`
	Message string       `json:"message"`
	Since   *metav1.Time `json:"since,omitempty"`
}

// Credential is one login that works.
type Credential struct {
	Role       string       `json:"role"`
	Generation int64        `json:"generation"`
	Current    bool         `json:"current"`
	SuppliedBy string       `json:"suppliedBy,omitempty"`
	RenewAt    *metav1.Time `json:"renewAt,omitempty"`
	ExpiresAt  *metav1.Time `json:"expiresAt,omitempty"`
	// SecondsLeft until ExpiresAt; negative after it.
	SecondsLeft *int64 `json:"secondsLeft,omitempty"`
}

// CA is the certificate that verifies the registry. It is absent where public CAs do.
type CA struct {
	Subject     string      `json:"subject"`
	SHA256      string      `json:"sha256"`
	Source      string      `json:"source"`
	NotAfter    metav1.Time `json:"notAfter"`
	SecondsLeft int64       `json:"secondsLeft"`
	// Leaving are the subjects of certificates that are on their way out of ca.crt.
	Leaving []LeavingCA `json:"leaving,omitempty"`
}

// LeavingCA is a certificate that its successor stands beside.
type LeavingCA struct {
	Subject string      `json:"subject"`
	Until   metav1.Time `json:"until"`
}

// Secret is one that consumers read.
type Secret struct {
	Role      string  `json:"role"`
	Namespace string  `json:"namespace"`
	Name      string  `json:"name"`
	Copies    *Copies `json:"copies,omitempty"`
}

// Copies counts the copies of a Secret.
type Copies struct {
	Total  int32     `json:"total"`
	Synced int32     `json:"synced"`
	Failed []Failure `json:"failed,omitempty"`
}

// Exchange counts the services that are to hold the login.
type Exchange struct {
	Services int32     `json:"services"`
	Synced   int32     `json:"synced"`
	Failed   []Failure `json:"failed,omitempty"`
}

// Failure is a copy or a service that is not as it should be.
type Failure struct {
	// Name is the namespace of the copy, or the service as the Exchange names it.
	Name    string `json:"name"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
}

// NewReport describes EdgeRegistries at a time.
func NewReport(edges []edgev1.EdgeRegistry, now time.Time) Report {
	report := Report{EdgeRegistries: []Registry{}}
	for i := range edges {
		report.EdgeRegistries = append(report.EdgeRegistries, newRegistry(&edges[i], now))
	}
	return report
}

// AllReady reports that nothing is left to do.
func (r Report) AllReady() bool {
	return !slices.ContainsFunc(r.EdgeRegistries, func(one Registry) bool { return one.State != Ready })
}

func newRegistry(edge *edgev1.EdgeRegistry, now time.Time) Registry {
	status := &edge.Status
	shown := Registry{
		Name: edge.Name, State: StateOf(edge), Provider: status.Provider, Host: status.Host, ImagePrefix: status.ImagePrefix,
		VerifiedAt: status.VerifiedAt, Conditions: []Condition{},
	}
	for _, c := range status.Conditions {
		switch c.Type {
		case edgev1.Ready:
			shown.Reason, shown.Message = c.Reason, c.Message
		case edgev1.Reconciling, edgev1.Stalled:
		default:
			shown.Conditions = append(shown.Conditions, Condition{c.Type, string(c.Status), c.Reason, c.Message, &c.LastTransitionTime})
		}
	}
	shown.date(edge, now)
	if shown.State == Waiting && shown.Reason == edgev1.ReasonReady {
		shown.Reason, shown.Message = edgev1.ReasonPending, "the operator has not looked at the latest change of the spec yet"
	}
	for _, c := range status.Credentials {
		one := Credential{
			Role: string(c.Role), Generation: c.Generation, Current: c.Current, SuppliedBy: c.SuppliedBy, RenewAt: c.RenewAt, ExpiresAt: c.ExpiresAt,
		}
		if c.ExpiresAt != nil {
			left := secondsLeft(*c.ExpiresAt, now)
			one.SecondsLeft = &left
		}
		shown.Credentials = append(shown.Credentials, one)
	}
	shown.CA = newCA(status.CA, now)
	for _, s := range status.Secrets {
		shown.Secrets = append(shown.Secrets, newSecret(s))
	}
	if e := status.Exchange; e != nil {
		shown.Exchange = &Exchange{Services: e.Services, Synced: e.Synced}
		for _, f := range e.Failed {
			shown.Exchange.Failed = append(shown.Exchange.Failed, Failure{Name: f.Service, Message: f.Message})
		}
	}
	return shown
}

// date says of a success that is three trials old when it was: the operator cannot take it back while it does not run.
func (r *Registry) date(edge *edgev1.EdgeRegistry, now time.Time) {
	at, interval := r.VerifiedAt, edge.Spec.Verification.Interval.Duration
	if at == nil || interval == 0 || !meta.IsStatusConditionTrue(edge.Status.Conditions, edgev1.RegistryVerified) || now.Sub(at.Time) <= 3*interval {
		return
	}
	note := "; that was at " + at.UTC().Format(time.RFC3339) + ", and was not tried since: see whether the operator runs"
	r.Message += note
	for i := range r.Conditions {
		if r.Conditions[i].Type == edgev1.RegistryVerified {
			r.Conditions[i].Message += note
		}
	}
}

func newCA(ca *edgev1.CAStatus, now time.Time) *CA {
	if ca == nil {
		return nil
	}
	shown := &CA{Subject: ca.Subject, SHA256: ca.SHA256, Source: ca.Source, NotAfter: ca.NotAfter, SecondsLeft: secondsLeft(ca.NotAfter, now)}
	for _, previous := range ca.Previous {
		shown.Leaving = append(shown.Leaving, LeavingCA{previous.Subject, previous.Until})
	}
	return shown
}

func newSecret(s edgev1.SecretStatus) Secret {
	shown := Secret{Role: string(s.Role), Namespace: s.Namespace, Name: s.Name}
	if s.Copies != nil {
		shown.Copies = &Copies{Total: s.Copies.Total, Synced: s.Copies.Synced}
		for _, f := range s.Copies.Failed {
			shown.Copies.Failed = append(shown.Copies.Failed, Failure{f.Namespace, f.Reason, f.Message})
		}
	}
	return shown
}

// StateOf is what an EdgeRegistry is doing. A status that speaks of an older spec makes nothing Ready.
func StateOf(edge *edgev1.EdgeRegistry) State {
	conditions := edge.Status.Conditions
	switch {
	case !edge.DeletionTimestamp.IsZero():
		return Deleting
	case edge.Spec.Suspend:
		return Suspended
	case edge.Status.ObservedGeneration != edge.Generation:
		return Waiting
	case meta.IsStatusConditionTrue(conditions, edgev1.Ready):
		return Ready
	case meta.IsStatusConditionTrue(conditions, edgev1.Stalled):
		return Stalled
	default:
		return Waiting
	}
}

func secondsLeft(until metav1.Time, now time.Time) int64 { return int64(until.Sub(now).Seconds()) }
