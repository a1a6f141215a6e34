// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

// Login is one of the two logins of an EdgeRegistry with its credential.
type Login struct {
	Role edgev1.TokenRole
	// Absent: the EdgeRegistry has no such login.
	Absent bool
	// Supplied is where people supply the login's credential, for messages; empty where its issuer makes it. A supplied one is
	// used as it changes: using it again costs nothing, and there is nothing to renew.
	Supplied string
	// Secret is the name of the published Secret, and Published that Secret as it was read, or nil.
	Secret    string
	Published *corev1.Secret
	// Account says in messages whose credential it is; User is the user name of the login.
	Account, User string
	// Naming returns what messages call the credential of a generation; nil for "ACCOUNT token GENERATION".
	Naming func(generation int64) string
	// PullAdvice and PushAdvice say what to check if the registry denies the right, TooMuch if it grants too much.
	PullAdvice, PushAdvice, TooMuch string
	// Policy says how long credentials live.
	Policy Policy
	// Credential is the one that the Secrets carry or will carry.
	Credential Credential
	// Unpublished is a credential that an earlier pass issued and that no Secret carries yet; nil if there is none.
	Unpublished *Credential
	// Begun is a credential whose issue an earlier pass began, and which can be completed without another mint; nil if there is
	// none.
	Begun *Credential
	// Alive are the working credentials, the oldest first. Issuer.Retire sets them.
	Alive []Working
}

// Working is a credential that works, as the status lists it, with its issuer's own ID.
type Working struct {
	edgev1.CredentialStatus
	ID string
}

// Policy is the lifetime of a credential, and how long before its end it is renewed.
type Policy struct {
	Lifetime    time.Duration
	RenewBefore time.Duration
}

// LastGeneration is the highest number of a credential. A credential each second would take thirty years to come to it. Where
// somebody else can write a number, a higher one is nobody's.
const LastGeneration = 999_999_999

// ParseGeneration returns the generation in a text that others may have written; 0 if it is no number from 1 to LastGeneration.
func ParseGeneration(text string) int64 {
	generation, err := strconv.ParseInt(text, 10, 64)
	if err != nil || generation < 0 || generation > LastGeneration {
		return 0
	}
	return generation
}

// Credential is one credential of a login: the token that is sent to the registry, and what is known of it.
type Credential struct {
	Token credential.Token
	Identity
	// Generation counts the credentials of a role.
	Generation int64
	// Marks are the annotations by which its issuer recognises it on the published Secret.
	Marks map[string]string
	// User is its user name, if each credential of the login has its own; empty if the login's user name is for all.
	User string
	// Check is the salted checksum by which the record recognises the token, if it needs one: see NewCheck.
	Check string
	// Issuance is why it was issued.
	Issuance Cause
	// Wish is what people requested when it was issued.
	Wish Wish
	// Fresh: no Secret carries it yet.
	Fresh bool
	// Disabled: somebody disabled it at its issuer, where it can be enabled again.
	Disabled bool
	// Unvouched: only the Secret that carries it says that it was published, and anyone who may edit that Secret may have
	// written it.
	Unvouched bool
	// About is the object that events about it refer to, or nil.
	About runtime.Object
	// Until is when its issuer ends it, if that is after the promised lifetime.
	Until time.Time
	// Settles is until when a refusal of it, or of a right of it, proves nothing, because new ones take effect with a delay.
	Settles time.Time
	// Resumed: an earlier pass issued it and could not publish it.
	Resumed bool
	// Warnings say what is wrong with credentials of the login at their issuer.
	Warnings []string
	// Advice is what a person should know about it, and Superseded about earlier ones that still work, each without a full
	// stop.
	Advice     []string
	Superseded string
}

// Identity identifies one credential of an issuer.
type Identity struct {
	// ID is the id that the issuer gave it.
	ID string
	// IssuedAt and Expiry are to the second, in UTC. Expiry is zero for a credential that does not expire.
	IssuedAt, Expiry time.Time
}

// Expires reports whether the credential works for a time only.
func (i Identity) Expires() bool { return !i.Expiry.IsZero() }

// Name returns what messages call the credential of a generation.
func (l *Login) Name(generation int64) string {
	if l.Naming != nil {
		return l.Naming(generation)
	}
	return fmt.Sprintf("%s token %d", l.Account, generation)
}

// Use makes a credential the current one of the login.
func (l *Login) Use(c Credential) {
	l.Credential = c
	if c.User != "" {
		l.User = c.User
	}
}

// Wish is what people request of a credential by means that no tenant can write.
type Wish struct {
	Lifetime time.Duration
	Rotation string
}

// WishFor returns the current wish for a login.
func (s *Scope) WishFor(l *Login) Wish {
	return Wish{l.Policy.Lifetime, s.Edge.Annotations[edgev1.RotateAnnotation]}
}

// Cause is why a login needs another credential. The zero value is none.
type Cause struct {
	// Name is the cause in metrics and in the record; Text is a clause for messages.
	Name, Text string
	// Kept: the credential in use works, and stays until its successor is proven.
	Kept bool
	// Undone: somebody deleted or altered what the operator made.
	Undone bool
	// Successor identifies the credential that would replace the current one, where it is known: the pause after one that could
	// not be proven does not delay a different one.
	Successor string
	// Seen is the object in which the cause was found, if others may have altered it; nil otherwise.
	Seen metav1.Object
}

// IsZero reports whether there is no cause.
func (c Cause) IsZero() bool { return c.Name == "" }

// Because returns the cause with another text.
func (c Cause) Because(format string, args ...any) Cause {
	c.Text = fmt.Sprintf(format, args...)
	return c
}

// In returns the cause as found in an object.
func (c Cause) In(object metav1.Object) Cause {
	c.Seen = object
	return c
}

// The causes that all providers share.
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

// Causes lists them.
var Causes = []Cause{CauseUnpublished, CauseEmptied, CauseAltered, CauseRefused, CauseHost, CauseRevocation, CauseRotation, CauseLifetime, CauseDue}

// OwnerOf is whose a working credential of a role is in an Exchange.
func OwnerOf(role edgev1.TokenRole) exchange.Owner {
	if role == edgev1.TokenPublisher {
		return exchange.Publisher
	}
	return exchange.Puller
}
