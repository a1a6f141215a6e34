// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Login is one of the two logins of an EdgeRegistry with its credential.
type Login struct {
	Role edgev1.TokenRole
	// Absent: the EdgeRegistry has no such login.
	Absent bool
	// Supplied is where people supply the login's credential, for messages; empty where its issuer makes it. One that is
	// supplied is taken as it changes: it costs nothing to take it once more, and there is nothing to renew.
	Supplied string
	// Secret is the name of the Secret that carries the credential, and Published that Secret as it was read, or nil.
	Secret    string
	Published *corev1.Secret
	// Account is whose credential it is, in messages, and User the user name of the login.
	Account, User string
	// Naming is what messages call the credential of a generation; nil where that is ACCOUNT token GENERATION.
	Naming func(generation int64) string
	// PullAdvice and PushAdvice say what to check where the registry denies a right, TooMuch where it grants too much.
	PullAdvice, PushAdvice, TooMuch string
	// Policy says how long credentials live.
	Policy Policy
	// Credential is the one that the Secrets carry, or are about to.
	Credential Credential
	// Unpublished is a credential that was issued and taken before, and that no Secret carries yet; nil when there is none.
	Unpublished *Credential
	// Begun is a credential that was begun before, and whose issue can be completed without making another; nil when there
	// is none.
	Begun *Credential
	// Alive are the credentials that work, the oldest first, by the issuer as it retires the others.
	Alive []Working
}

// Working is a credential that works, as the status lists it, with its issuer's own ID.
type Working struct {
	edgev1.CredentialStatus
	ID string
}

// Policy says how long a credential lives, and how long before its end it is followed by another.
type Policy struct {
	Lifetime    time.Duration
	RenewBefore time.Duration
}

// Credential is what a login shows to the registry.
type Credential struct {
	Token credential.Token
	Identity
	// Generation counts the credentials of a role.
	Generation int64
	// Marks are annotations by which its issuer knows it again on the Secret that carries it.
	Marks map[string]string
	// User is the user name that it goes with, where each credential of a login has its own; empty where the login's goes for all.
	User string
	// Check is by what the record knows the token again where it does not tell of itself: see pass.NewCheck.
	Check string
	// Issuance is why it was issued.
	Issuance Cause
	// Wish is what people asked for when it was issued.
	Wish Wish
	// Fresh: no Secret carries it yet.
	Fresh bool
	// Disabled: somebody disabled it at its issuer, where it can be enabled again.
	Disabled bool
	// Unvouched: only the Secret that carries it says that it was published, and whoever may edit that may have written it.
	Unvouched bool
	// About is the object that stands for it in events, or nil.
	About runtime.Object
	// Until is when its issuer ends it, where that is later than what is promised.
	Until time.Time
	// Settles is until when a refusal of it, or of a right of it, proves nothing, since what is new does not count at once.
	Settles time.Time
	// Resumed: it was issued in an earlier pass, which could not go on with it.
	Resumed bool
	// Warnings are what is wrong with credentials of the login at their issuer.
	Warnings []string
	// Advice is what a person should know of it, and Superseded of those before it that go on working, each without a full
	// stop.
	Advice     []string
	Superseded string
}

// Identity tells one credential of an issuer from another.
type Identity struct {
	// ID is the issuer's own.
	ID string
	// IssuedAt and Expiry are to the second, in UTC. Expiry is zero for a credential that does not expire.
	IssuedAt, Expiry time.Time
}

// Expires reports whether the credential works for a time only.
func (i Identity) Expires() bool { return !i.Expiry.IsZero() }

// Name is what messages call a credential of the login.
func (l *Login) Name(generation int64) string {
	if l.Naming != nil {
		return l.Naming(generation)
	}
	return fmt.Sprintf("%s token %d", l.Account, generation)
}

// Use makes a credential the login's.
func (l *Login) Use(c Credential) {
	l.Credential = c
	if c.User != "" {
		l.User = c.User
	}
}

// Wish is what people ask of a credential from outside of the namespaces whose owners can write there.
type Wish struct {
	Lifetime time.Duration
	Rotation string
}

// WishFor is what people ask for now.
func (s *Scope) WishFor(l *Login) Wish {
	return Wish{l.Policy.Lifetime, s.Edge.Annotations[edgev1.RotateAnnotation]}
}

// Cause is why a login needs another credential. The zero value is none.
type Cause struct {
	// Name is the cause in metrics and on records, Text in sentences.
	Name, Text string
	// Kept: the credential in use works, and stays in use until its successor is proven.
	Kept bool
	// Undone: somebody took away or altered what the operator made.
	Undone bool
	// Successor tells what would be taken for this cause from what would be another time, where that is known: a pause after
	// one that could not be proven does not hold up another.
	Successor string
	// Seen is the object that shows the cause, where somebody may have altered it; nil otherwise.
	Seen metav1.Object
}

// IsZero reports that there is no cause.
func (c Cause) IsZero() bool { return c.Name == "" }

// Because is the cause in other words, which name what it is about.
func (c Cause) Because(format string, args ...any) Cause {
	c.Text = fmt.Sprintf(format, args...)
	return c
}

// In is the cause as an object shows it.
func (c Cause) In(object metav1.Object) Cause {
	c.Seen = object
	return c
}

// Causes that every provider has.
var (
	CauseUnpublished = Cause{Name: "Unpublished", Text: "none was published", Undone: true}
	CauseEmptied     = Cause{Name: "Altered", Text: "the Secret was emptied or altered", Undone: true}
	CauseAltered     = Cause{Name: "Altered", Text: "the Secret was altered", Undone: true}
	CauseRefused     = Cause{Name: "Refused", Text: "its issuer does not accept it any more"}
	CauseHost        = Cause{Name: "HostChanged", Text: "the host changed"}
	CauseRevocation  = Cause{Name: "Revocation", Text: "it is to be revoked", Kept: true}
	CauseRotation    = Cause{Name: "Rotation", Text: "rotation was requested", Kept: true}
	CauseLifetime    = Cause{Name: "LifetimeChanged", Text: "its lifetime in the spec changed", Kept: true}
	CauseDue         = Cause{Name: "Due", Text: "renewal was due", Kept: true}
)

// Causes are all of them.
var Causes = []Cause{CauseUnpublished, CauseEmptied, CauseAltered, CauseRefused, CauseHost, CauseRevocation, CauseRotation, CauseLifetime, CauseDue}
