// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/registry"
)

// Record is what has to be known of an EdgeRegistry after a restart. It is kept in the operator's own namespace, where no
// tenant can write: what a pass reads elsewhere is judged against it. It holds no credential but those that are about to be
// published.
type Record struct {
	// Lost: there was a record before this one, and it is gone. What it knew is unknown until the Secrets are published again.
	Lost bool `json:"lost,omitempty"`
	// Served are the namespaces that the operator was let into for the EdgeRegistry, by name, with the UID that each had
	// then. It is empty for one that may have been served before, as another, while the record was lost.
	Served map[string]types.UID `json:"served,omitempty"`
	// Copies are the namespaces that may hold a copy of the Secret of a role, sorted.
	Copies map[edgev1.TokenRole][]string `json:"copies,omitempty"`
	// Issued are the credentials that were published, or were about to be, the oldest first.
	Issued []Issued `json:"issued,omitempty"`
	// Minting: a credential may have been made that is not among Issued, since the issuer keeps what it makes.
	Minting bool `json:"minting,omitempty"`
	// Host is what the Secrets were last published with, or were about to be, and CA what ca.crt holds besides.
	Host string           `json:"host,omitempty"`
	CA   *edgev1.CAStatus `json:"ca,omitempty"`
	// Settled is the generation of the EdgeRegistry for which both Secrets were written, if not all of their copies.
	Settled int64 `json:"settled,omitempty"`
	// Verified is when the logins were last found to work, under the generation VerifiedFor; nil when they were not, or when
	// a pass since did not come as far as to know.
	Verified    *metav1.Time `json:"verified,omitempty"`
	VerifiedFor int64        `json:"verifiedFor,omitempty"`
	// Asked is the request of a person for which the logins were last tried.
	Asked string `json:"asked,omitempty"`
	// Found is what was found then of each login, at a registry that does not let itself be asked about everything.
	Found map[edgev1.TokenRole]registry.Access `json:"found,omitempty"`
	// Revoking is the last request of a person to end a credential.
	Revoking Revoking `json:"revoking,omitzero"`
	// NodesRead is what all nodes had read of an Exchange; nil while that is not known of any.
	NodesRead *NodesRead `json:"nodesRead,omitempty"`
	// Pending are the credentials of each role that were written ahead, until they are published.
	Pending map[edgev1.TokenRole]Pending `json:"pending,omitempty"`
	// Remote is what was found or made at an issuer outside of the cluster; nil where there is none.
	Remote *Remote `json:"remote,omitempty"`
}

// NodesRead says that all nodes which run services of an organisation had read what these held at a time.
type NodesRead struct {
	// Where is the address of the organisation in its Exchange, and Until a time of that Exchange, RFC 3339, as precise as it
	// gives it.
	Where string `json:"where"`
	Until string `json:"until"`
	// Generation is a login of the puller that all of them had read; 0 where that was not known of any.
	Generation int64 `json:"generation,omitempty"`
}

// Pending is a credential whose value the operator makes itself, so that it is known before its issuer knows it.
type Pending struct {
	Generation int64  `json:"generation"`
	Name       string `json:"name"`
	// Value is the credential. This is the only place where it is kept before it is published.
	Value string `json:"value"`
	// ID is the issuer's; empty as long as it did not say that the credential exists.
	ID       string      `json:"id,omitempty"`
	IssuedAt metav1.Time `json:"issuedAt"`
	// ExpiresAt is the end of what is promised, and Until that at which its issuer ends it.
	ExpiresAt metav1.Time `json:"expiresAt"`
	Until     metav1.Time `json:"until"`
}

// Remote is what an EdgeRegistry has at an issuer outside of the cluster.
type Remote struct {
	// Account is that in which everything is.
	Account string `json:"account,omitempty"`
	// Place is where the images are, once it was found or is about to be made.
	Place RemotePlace `json:"place,omitzero"`
	// Identities are those that credentials are issued for.
	Identities map[edgev1.TokenRole]RemoteIdentity `json:"identities,omitempty"`
}

// RemotePlace is where the images are.
type RemotePlace struct {
	// Found: it is there. Intended: it was not there, and is about to be made. Created: it was made for this EdgeRegistry.
	Found    bool `json:"found,omitempty"`
	Intended bool `json:"intended,omitempty"`
	Created  bool `json:"created,omitempty"`
	// CreatedAt is when it was made, by the operator's clock.
	CreatedAt metav1.Time `json:"createdAt,omitzero"`
	// Announced: its deletion was told of.
	Announced bool `json:"announced,omitempty"`
}

// RemoteIdentity is an identity at an issuer.
type RemoteIdentity struct {
	// ID is its own, and Subject what credentials and rights name it by; empty as long as it is not known to exist.
	ID      string `json:"id,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Given: it was there, and is somebody else's.
	Given bool `json:"given,omitempty"`
	// IntendedAt is when it was about to be made.
	IntendedAt metav1.Time `json:"intendedAt,omitzero"`
	// Grant is the id of what gives it its rights, and GrantedAt when that was made.
	Grant     string      `json:"grant,omitempty"`
	GrantedAt metav1.Time `json:"grantedAt,omitzero"`
}

// At is the remote part of a record, which is there from now on.
func (r *Record) At() *Remote {
	if r.Remote == nil {
		r.Remote = &Remote{}
	}
	return r.Remote
}

// Identity is that of a role; the zero value where none is known.
func (r *Record) Identity(role edgev1.TokenRole) RemoteIdentity {
	if r.Remote == nil {
		return RemoteIdentity{}
	}
	return r.Remote.Identities[role]
}

// Identify notes the identity of a role.
func (r *Record) Identify(role edgev1.TokenRole, identity RemoteIdentity) {
	at := r.At()
	if at.Identities == nil {
		at.Identities = map[edgev1.TokenRole]RemoteIdentity{}
	}
	at.Identities[role] = identity
}

// Await notes a credential that is written ahead.
func (r *Record) Await(role edgev1.TokenRole, pending Pending) {
	if r.Pending == nil {
		r.Pending = map[edgev1.TokenRole]Pending{}
	}
	r.Pending[role] = pending
}

// Issued is a credential on record.
type Issued struct {
	Role edgev1.TokenRole `json:"role"`
	// ID is the issuer's own, and Marks are by which it knows the credential again.
	ID         string            `json:"id"`
	Marks      map[string]string `json:"marks,omitempty"`
	Generation int64             `json:"generation"`
	IssuedAt   metav1.Time       `json:"issuedAt"`
	// ExpiresAt is zero for a credential that does not expire.
	ExpiresAt metav1.Time `json:"expiresAt,omitzero"`
	// Cause is why it was issued; Lifetime, Rotation and Host are what people asked for then.
	Cause    string `json:"cause,omitempty"`
	Lifetime string `json:"lifetime,omitempty"`
	Rotation string `json:"rotation,omitempty"`
	Host     string `json:"host,omitempty"`
	// User is that of a login that people supply, by which it is known again in an Exchange, or of a credential that has its own.
	User string `json:"user,omitempty"`
	// Check tells whether a token is this one, and Published that a Secret was seen to carry it.
	Check     string `json:"check,omitempty"`
	Published bool   `json:"published,omitempty"`
	// Until is when its issuer ends a credential that is left beyond ExpiresAt. DisabledAt is when the operator switched it off
	// there, and EndedAt when it was seen to be gone.
	Until      metav1.Time `json:"until,omitzero"`
	DisabledAt metav1.Time `json:"disabledAt,omitzero"`
	EndedAt    metav1.Time `json:"endedAt,omitzero"`
}

// maxIssued is how many credentials of a role stay on record: those that work, and of the others enough to know them again
// where consumers left them.
const maxIssued = 20

// Find is the credential of an id on record, or nil.
func (r *Record) Find(id string) *Issued {
	for i := range r.Issued {
		if id != "" && r.Issued[i].ID == id {
			return &r.Issued[i]
		}
	}
	return nil
}

// Note puts a credential on record. Where there are too many of its role, the oldest leaves.
func (r *Record) Note(issued Issued) {
	if known := r.Find(issued.ID); known != nil {
		*known = issued
		return
	}
	r.Issued = append(r.Issued, issued)
	ofRole := 0
	for i := len(r.Issued) - 1; i >= 0; i-- {
		if r.Issued[i].Role != issued.Role {
			continue
		}
		if ofRole++; ofRole > maxIssued {
			r.Issued = slices.Delete(r.Issued, i, i+1)
		}
	}
}

// Highest is the highest generation of a role on record; zero when there is none.
func (r *Record) Highest(role edgev1.TokenRole) int64 {
	highest := int64(0)
	for _, issued := range r.Issued {
		if issued.Role == role {
			highest = max(highest, issued.Generation)
		}
	}
	return highest
}

// LastRotation is the request for rotation that the last credential of a role on record answers, or one before it did.
func (r *Record) LastRotation(role edgev1.TokenRole) string {
	for i := len(r.Issued) - 1; i >= 0; i-- {
		if r.Issued[i].Role == role {
			return r.Issued[i].Rotation
		}
	}
	return ""
}

// Serve notes that the operator works in the namespace of a UID.
func (r *Record) Serve(namespace string, uid types.UID) {
	if r.Served == nil {
		r.Served = map[string]types.UID{}
	}
	r.Served[namespace] = uid
}

// MayHold notes which namespaces may hold a copy of the Secret of a role.
func (r *Record) MayHold(role edgev1.TokenRole, namespaces []string) {
	if r.Copies == nil {
		r.Copies = map[edgev1.TokenRole][]string{}
	}
	r.Copies[role] = namespaces
	if len(namespaces) == 0 {
		delete(r.Copies, role)
	}
}

// VerifiedAt is when the logins were last found to work under the EdgeRegistry's spec; zero when that is not known.
func (r *Record) VerifiedAt(edge *edgev1.EdgeRegistry) time.Time {
	if r.Verified == nil || r.VerifiedFor != edge.Generation {
		return time.Time{}
	}
	return r.Verified.Time
}

// Verify notes when the logins were last found to work under the EdgeRegistry's spec; a zero time that they were not.
func (r *Record) Verify(edge *edgev1.EdgeRegistry, at time.Time) {
	r.Verified, r.VerifiedFor = StatusTime(at), 0
	if r.Verified == nil {
		r.Found = nil
		return
	}
	r.VerifiedFor = edge.Generation
}

// NoteFound notes what a trial found of a login.
func (r *Record) NoteFound(role edgev1.TokenRole, found registry.Access) {
	if r.Found == nil {
		r.Found = map[edgev1.TokenRole]registry.Access{}
	}
	r.Found[role] = found
}

// Copy is a record that shares nothing with this one that is changed in place.
func (r *Record) Copy() *Record {
	c := *r
	c.Served, c.Copies, c.Issued = maps.Clone(r.Served), maps.Clone(r.Copies), slices.Clone(r.Issued)
	c.Found = maps.Clone(r.Found)
	c.Pending = maps.Clone(r.Pending)
	if r.Remote != nil {
		remote := *r.Remote
		remote.Identities = maps.Clone(r.Remote.Identities)
		c.Remote = &remote
	}
	return &c
}
