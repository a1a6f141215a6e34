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

// Record is what must be known of an EdgeRegistry after a restart. It is kept in the operator's own namespace, where no tenant can
// write: what a pass reads elsewhere is compared with it. It holds no credentials except those that are about to be published.
type Record struct {
	// Lost: there was an earlier record, and it is gone. Its content is unknown until the Secrets are published again.
	Lost bool `json:"lost,omitempty"`
	// Served are the namespaces in which the operator works for the EdgeRegistry, by name, with the UID that each had when it was
	// first served. The UID is empty where that is unknown because the record was lost.
	Served map[string]types.UID `json:"served,omitempty"`
	// Copies are the namespaces that may hold a copy of the Secret of a role, sorted.
	Copies map[edgev1.TokenRole][]string `json:"copies,omitempty"`
	// Issued are the credentials that were published or about to be, the oldest first.
	Issued []Issued `json:"issued,omitempty"`
	// Minting: the issuer may hold a credential that is not among Issued.
	Minting bool `json:"minting,omitempty"`
	// Host is what the Secrets were last published with, or were about to be, and CA what ca.crt holds besides.
	Host string           `json:"host,omitempty"`
	CA   *edgev1.CAStatus `json:"ca,omitempty"`
	// Settled is the generation of the EdgeRegistry for which both Secrets, but maybe not all copies, were written.
	Settled int64 `json:"settled,omitempty"`
	// Verified is when the logins were last verified, under the generation VerifiedFor; nil if they failed, or if a later pass
	// did not reach that step.
	Verified    *metav1.Time `json:"verified,omitempty"`
	VerifiedFor int64        `json:"verifiedFor,omitempty"`
	// Asked is the value of the annotation verify for which the logins were last verified.
	Asked string `json:"asked,omitempty"`
	// Found is what each login was found to be allowed to, at a registry where not everything can be tried.
	Found map[edgev1.TokenRole]registry.Access `json:"found,omitempty"`
	// Revoking is the last request of a person to end a credential.
	Revoking Revoking `json:"revoking,omitzero"`
	// NodesRead is what all nodes have read of an Exchange; nil while that is not known.
	NodesRead *NodesRead `json:"nodesRead,omitempty"`
	// Pending are the credentials of each role that were recorded before they exist, until they are published.
	Pending map[edgev1.TokenRole]Pending `json:"pending,omitempty"`
	// Remote is what was found or made at an issuer outside of the cluster; nil if there is none.
	Remote *Remote `json:"remote,omitempty"`
}

// NodesRead says that all nodes that run services of an organisation have read what those held at a time.
type NodesRead struct {
	// Where is the address of the organisation in its Exchange, and Until a time by the clock of that Exchange, RFC 3339, with
	// the precision that the Exchange gives.
	Where string `json:"where"`
	Until string `json:"until"`
	// Generation is that of a login of the puller that all of them have read; 0 if that is not known.
	Generation int64 `json:"generation,omitempty"`
}

// Pending is a credential whose value the operator generates itself and records before the issuer gets it.
type Pending struct {
	Generation int64  `json:"generation"`
	Name       string `json:"name"`
	// Value is the credential, which is kept nowhere else before it is published.
	Value string `json:"value"`
	// ID is the id at the issuer; empty until the issuer said that the credential exists.
	ID       string      `json:"id,omitempty"`
	IssuedAt metav1.Time `json:"issuedAt"`
	// ExpiresAt is the promised end, and Until when its issuer ends it.
	ExpiresAt metav1.Time `json:"expiresAt"`
	Until     metav1.Time `json:"until"`
}

// Remote is what an EdgeRegistry has at an issuer outside of the cluster.
type Remote struct {
	// Account is the account in which all of it is.
	Account string `json:"account,omitempty"`
	// Place is where the images are, once it was found or is about to be created.
	Place RemotePlace `json:"place,omitzero"`
	// Identities are what credentials are issued for, by role.
	Identities map[edgev1.TokenRole]RemoteIdentity `json:"identities,omitempty"`
}

// RemotePlace is where the images are, such as a registry namespace.
type RemotePlace struct {
	// Found: it exists. Intended: it did not exist and is about to be created. Created: it was created for this EdgeRegistry.
	Found    bool `json:"found,omitempty"`
	Intended bool `json:"intended,omitempty"`
	Created  bool `json:"created,omitempty"`
	// CreatedAt is when it was created, by the operator's clock.
	CreatedAt metav1.Time `json:"createdAt,omitzero"`
	// Announced: an event announced its deletion.
	Announced bool `json:"announced,omitempty"`
}

// RemoteIdentity is an identity at an issuer, such as a service ID.
type RemoteIdentity struct {
	// ID is its id, and Subject the name by which credentials and rights refer to it; empty until it is known to exist.
	ID      string `json:"id,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Given: it is somebody else's, and the spec names it.
	Given bool `json:"given,omitempty"`
	// IntendedAt is when it was about to be created.
	IntendedAt metav1.Time `json:"intendedAt,omitzero"`
	// Grant is the id of the policy that gives it its rights, and GrantedAt when that was created.
	Grant     string      `json:"grant,omitempty"`
	GrantedAt metav1.Time `json:"grantedAt,omitzero"`
}

// At returns the remote part of a record, and creates it if it is absent.
func (r *Record) At() *Remote {
	if r.Remote == nil {
		r.Remote = &Remote{}
	}
	return r.Remote
}

// Identity returns the identity of a role; the zero value if none is known.
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

// Await records a credential before it exists.
func (r *Record) Await(role edgev1.TokenRole, pending Pending) {
	if r.Pending == nil {
		r.Pending = map[edgev1.TokenRole]Pending{}
	}
	r.Pending[role] = pending
}

// Issued is a credential on record.
type Issued struct {
	Role edgev1.TokenRole `json:"role"`
	// ID is the id at the issuer, and Marks are the annotations by which the issuer recognises the credential.
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
	// User is the user name of a supplied login, by which it is recognised in an Exchange, or of a credential with its own.
	User string `json:"user,omitempty"`
	// Check is the checksum that recognises the token. Published: a Secret was seen to carry it.
	Check     string `json:"check,omitempty"`
	Published bool   `json:"published,omitempty"`
	// Until is when its issuer ends a credential that is kept beyond ExpiresAt. DisabledAt is when the operator disabled it there,
	// and EndedAt when it was seen to be gone.
	Until      metav1.Time `json:"until,omitzero"`
	DisabledAt metav1.Time `json:"disabledAt,omitzero"`
	EndedAt    metav1.Time `json:"endedAt,omitzero"`
}

// maxIssued is how many credentials of a role stay on record: the working ones, and enough others to recognise them where
// consumers left them.
const maxIssued = 20

// Find returns the credential of an id, or nil.
func (r *Record) Find(id string) *Issued {
	for i := range r.Issued {
		if id != "" && r.Issued[i].ID == id {
			return &r.Issued[i]
		}
	}
	return nil
}

// Unended is a credential on record that is not known to have ended; nil if there is none. Its issuer's clock may be a minute behind.
func (r *Record) Unended(role edgev1.TokenRole, generation int64, now time.Time) *Issued {
	for i := range r.Issued {
		one := &r.Issued[i]
		last := one.ExpiresAt.Time
		if one.Until.After(last) {
			last = one.Until.Time
		}
		if one.Role == role && one.Generation == generation && one.EndedAt.IsZero() && (last.IsZero() || now.Before(last.Add(time.Minute))) {
			return one
		}
	}
	return nil
}

// Note puts a credential on record. If there are too many of its role, the oldest is dropped.
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

// Highest returns the highest generation of a role; zero if there is none.
func (r *Record) Highest(role edgev1.TokenRole) int64 {
	highest := int64(0)
	for _, issued := range r.Issued {
		if issued.Role == role {
			highest = max(highest, issued.Generation)
		}
	}
	return highest
}

// Lowest returns the lowest generation of a role; zero if there is none. Earlier ones may have left the record, and work.
func (r *Record) Lowest(role edgev1.TokenRole) int64 {
	lowest := int64(0)
	for _, issued := range r.Issued {
		if issued.Role == role && (lowest == 0 || issued.Generation < lowest) {
			lowest = issued.Generation
		}
	}
	return lowest
}

// LastRotation returns the request for rotation that the newest credential of a role, or an earlier one, answered.
func (r *Record) LastRotation(role edgev1.TokenRole) string {
	for i := len(r.Issued) - 1; i >= 0; i-- {
		if r.Issued[i].Role == role {
			return r.Issued[i].Rotation
		}
	}
	return ""
}

// Serve records that the operator works in a namespace, with its UID.
func (r *Record) Serve(namespace string, uid types.UID) {
	if r.Served == nil {
		r.Served = map[string]types.UID{}
	}
	r.Served[namespace] = uid
}

// MayHold records which namespaces may hold a copy of the Secret of a role.
func (r *Record) MayHold(role edgev1.TokenRole, namespaces []string) {
	if r.Copies == nil {
		r.Copies = map[edgev1.TokenRole][]string{}
	}
	r.Copies[role] = namespaces
	if len(namespaces) == 0 {
		delete(r.Copies, role)
	}
}

// VerifiedAt returns when the logins were last verified under the current spec; zero if that is not known.
func (r *Record) VerifiedAt(edge *edgev1.EdgeRegistry) time.Time {
	if r.Verified == nil || r.VerifiedFor != edge.Generation {
		return time.Time{}
	}
	return r.Verified.Time
}

// Verify records when the logins were verified under the current spec; a zero time means that they failed.
func (r *Record) Verify(edge *edgev1.EdgeRegistry, at time.Time) {
	r.Verified, r.VerifiedFor = StatusTime(at), 0
	if r.Verified == nil {
		r.Found = nil
		return
	}
	r.VerifiedFor = edge.Generation
}

// NoteFound records what a login was found to be allowed to.
func (r *Record) NoteFound(role edgev1.TokenRole, found registry.Access) {
	if r.Found == nil {
		r.Found = map[edgev1.TokenRole]registry.Access{}
	}
	r.Found[role] = found
}

// Copy returns a record that shares nothing mutable with this one.
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
