// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// publication is one of the two Secrets that are to be published.
type publication struct {
	*pass.Login
	secretRole edgev1.SecretRole
	// desired is the Secret in its home.
	desired *corev1.Secret
	copies  copySet
}

// publishSecrets writes the two Secrets that consumers read and their copies, then makes the issuer retire: no credential is retired
// before its successor is published. Copies that cannot be written delay nothing else.
func (p *run) publishSecrets(ctx context.Context) (pass.Done, error) {
	publish, pull, err := p.desiredSecrets()
	if err != nil {
		return pass.Done{}, err
	}
	both := []*publication{publish, pull}
	if publish == nil {
		both = both[1:]
	}
	if err := p.planCopies(ctx, both); err != nil {
		return pass.Done{}, err
	}
	if err := p.notePublication(ctx, both); err != nil {
		return pass.Done{}, err
	}
	// The pull Secret first: the publish Secret repeats its token.
	for _, pub := range slices.Backward(both) {
		if err := p.publish(ctx, pub); err != nil {
			return pass.Done{}, err
		}
	}
	for _, pub := range both {
		if err := p.syncCopies(ctx, pub); err != nil {
			return pass.Done{}, err
		}
	}
	if err := p.session.Retire(ctx); err != nil {
		return pass.Done{}, err
	}
	p.Record.Settled = p.Edge.Generation
	p.describeCredentials()
	p.describeSecrets(both)
	if err := p.missingCopies(both); err != nil {
		return pass.Done{}, err
	}
	if publish == nil {
		return pass.DoneBecause(edgev1.ReasonPublished, "Secret %s (pull) in %s %q%s is up to date",
			p.Puller.Secret, p.Home.Noun, p.Home.Namespace, countCopies(both)), nil
	}
	return pass.DoneBecause(edgev1.ReasonPublished, "Secrets %s (push) and %s (pull) in %s %q%s are up to date",
		p.Publisher.Secret, p.Puller.Secret, p.Home.Noun, p.Home.Namespace, countCopies(both)), nil
}

// desiredSecrets returns the two desired Secrets; publish is nil if there is no publisher.
func (p *run) desiredSecrets() (publish, pull *publication, err error) {
	input := handoff.Input{
		Host:      p.Registry.Host,
		Provider:  pass.ProviderOf(p.Edge),
		Project:   p.Registry.Repository,
		Publisher: handoff.Login{User: p.Publisher.User, Token: p.Publisher.Credential.Token},
		Puller:    handoff.Login{User: p.Puller.User, Token: p.Puller.Credential.Token},
		CA:        p.CA,
		PullOnly:  p.Publisher.Absent,
		PublicCAs: p.CA == nil && p.Registry.PublicCAs,
	}
	data, err := handoff.PullData(input)
	if err != nil {
		return nil, nil, fmt.Errorf("make the content of Secret %q: %w", p.Puller.Secret, err)
	}
	pull = &publication{Login: &p.Puller, secretRole: edgev1.SecretPull, desired: p.desiredSecret(&p.Puller, data)}
	if p.Publisher.Absent {
		return nil, pull, nil
	}
	data, err = handoff.PublishData(input)
	if err != nil {
		return nil, nil, fmt.Errorf("make the content of Secret %q: %w", p.Publisher.Secret, err)
	}
	publish = &publication{Login: &p.Publisher, secretRole: edgev1.SecretPublish, desired: p.desiredSecret(&p.Publisher, data)}
	return publish, pull, nil
}

func (p *run) desiredSecret(l *pass.Login, data map[string][]byte) *corev1.Secret {
	spec := secretSpec(p.Edge, l.Role)
	desired := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   p.Home.Namespace,
			Name:        l.Secret,
			Labels:      asStrings(spec.Labels),
			Annotations: asStrings(spec.Annotations),
		},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: data,
	}
	metav1.SetMetaDataLabel(&desired.ObjectMeta, objects.KindLabel, objects.SecretKind(l.Role))
	maps.Copy(desired.Annotations, l.Credential.Marks)
	for key, value := range map[string]string{
		objects.TektonAnnotation:     "https://" + p.Registry.Host,
		objects.GenerationAnnotation: strconv.FormatInt(l.Credential.Generation, 10),
		objects.IssuedAtAnnotation:   pass.Timestamp(l.Credential.IssuedAt),
		objects.ExpiresAtAnnotation:  pass.Timestamp(l.Credential.Expiry),
		objects.RotationAnnotation:   p.handledRotation(l),
	} {
		if value != "" {
			desired.Annotations[key] = value
		}
	}
	return desired
}

// asStrings converts labels or annotations of the spec for an object.
func asStrings[V ~string](values map[string]V) map[string]string {
	written := make(map[string]string, len(values))
	for key, value := range values {
		written[key] = string(value)
	}
	return written
}

// secretSpec is the part of the spec about the Secret of a role.
func secretSpec(edge *edgev1.EdgeRegistry, role edgev1.TokenRole) edgev1.SecretSpec {
	if role == edgev1.TokenPublisher {
		return edge.Spec.Secrets.Publish
	}
	return edge.Spec.Secrets.Pull
}

// publish writes a Secret in its home.
func (p *run) publish(ctx context.Context, pub *publication) error {
	live := p.Secrets[pub.Secret]
	carried := live != nil && carries(live, pub.Credential)
	written, err := p.Objects.Ensure(ctx, p.Scope, pub.desired, live)
	if err != nil {
		return err
	}
	p.memory(pub.Login).unpublished = nil
	if pub.Credential.Fresh && !carried && live != nil {
		countRotation(pub.Role)
	}
	p.Secrets[pub.Secret] = written.(*corev1.Secret)
	return nil
}

// carries reports whether a Secret has the marks of a credential.
func carries(secret *corev1.Secret, c pass.Credential) bool {
	for key, value := range c.Marks {
		if secret.Annotations[key] != value {
			return false
		}
	}
	return true
}

// asked is the cause if a person requests another credential by an annotation of the EdgeRegistry; the zero Cause otherwise.
func (p *run) asked(l *pass.Login) pass.Cause {
	requested := p.Edge.Annotations[edgev1.RotateAnnotation]
	switch {
	case p.isToRevoke(l):
		return pass.CauseRevocation
	case requested != "" && p.handledRotation(l) != requested:
		return pass.CauseRotation
	default:
		return pass.Cause{}
	}
}

// handledRotation is the last request for rotation that was answered for a login. It is on record; the published Secret repeats it.
func (p *run) handledRotation(l *pass.Login) string {
	if requested := p.Edge.Annotations[edgev1.RotateAnnotation]; l.Credential.Fresh && requested != "" {
		return requested
	}
	if known := p.Record.Find(l.Credential.ID); known != nil {
		return known.Rotation
	}
	if l.Credential.Fresh {
		return p.Record.LastRotation(l.Role)
	}
	if published := p.Secrets[l.Secret]; published != nil {
		return published.Annotations[objects.RotationAnnotation]
	}
	return ""
}

func (p *run) describeSecrets(publications []*publication) {
	p.Edge.Status.Secrets = nil
	for _, pub := range publications {
		p.Edge.Status.Secrets = append(p.Edge.Status.Secrets, edgev1.SecretStatus{
			Role: pub.secretRole, Namespace: p.Home.Namespace, Name: pub.Secret, Generation: pub.Credential.Generation, Copies: pub.copies.status(),
		})
	}
	// The first of one or two, of which the puller is the last: both have handled it, or neither is told.
	if handled := p.handledRotation(p.Logins()[0]); handled == p.handledRotation(&p.Puller) {
		p.Edge.Status.LastHandledRotation = handled
	}
}

// describeCredentials lists the working credentials for the status.
func (p *run) describeCredentials() {
	p.Edge.Status.Credentials = nil
	var first time.Time
	for _, l := range p.Logins() {
		if c := l.Credential; c.Expires() && (first.IsZero() || c.Expiry.Before(first)) {
			first = c.Expiry
		}
		for _, alive := range newest(l.Alive) {
			if alive.Current && renewed(l) {
				alive.RenewAt = pass.StatusTime(renewAt(p.Edge.UID, l, l.Credential.Identity))
			}
			p.Edge.Status.Credentials = append(p.Edge.Status.Credentials, alive.CredentialStatus)
		}
	}
	p.Edge.Status.ExpiresAt = pass.StatusTime(first)
}

// newest are the credentials of a role that the status lists: the newest ones, and always the one in use.
func newest(alive []pass.Working) []pass.Working {
	const most = 20
	all := slices.Clone(alive[max(0, len(alive)-most):])
	if at := slices.IndexFunc(alive, func(w pass.Working) bool { return w.Current }); at >= 0 && at < len(alive)-most {
		all = slices.Insert(all[1:], 0, alive[at])
	}
	return all
}
