// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// publication is one of the two Secrets on its way to its consumers.
type publication struct {
	*login
	secretRole edgev1.SecretRole
	// desired is the Secret in the project.
	desired *corev1.Secret
	copies  copySet
}

// publishSecrets writes the two Secrets that consumers read and their copies, then settles the
// anchors: no token is retired before its successor is published. Copies that cannot be written
// hold nobody up but those who wait for them.
func (r *EdgeRegistryReconciler) publishSecrets(ctx context.Context, s *scope) (done, error) {
	publish, pull, err := desiredSecrets(s)
	if err != nil {
		return done{}, err
	}
	both := []*publication{publish, pull}
	r.planCopies(ctx, s, both)
	// The pull Secret first: the publish Secret repeats its token.
	for _, p := range []*publication{pull, publish} {
		if err := r.publish(ctx, s, p); err != nil {
			return done{}, err
		}
	}
	for _, p := range both {
		if err := r.spread(ctx, s, p); err != nil {
			return done{}, err
		}
	}
	if err := r.settleAnchors(ctx, s); err != nil {
		return done{}, err
	}
	describeTokens(s)
	describeSecrets(s, both)
	if err := missingCopies(both); err != nil {
		return done{}, err
	}
	return doneBecause(edgev1.ReasonPublished, "Secrets %s (push) and %s (pull) in project %q%s are up to date",
		s.publisher.secret, s.puller.secret, s.project, countCopies(both)), nil
}

func desiredSecrets(s *scope) (publish, pull *publication, err error) {
	input := handoff.Input{
		Host:      s.host,
		Project:   s.project,
		Publisher: handoff.Login{User: s.publisher.user, Token: s.publisher.token.Token},
		Puller:    handoff.Login{User: s.puller.user, Token: s.puller.token.Token},
		CA:        s.ca,
	}
	data, err := handoff.PullData(input)
	if err != nil {
		return nil, nil, fmt.Errorf("make the content of Secret %q: %w", s.puller.secret, err)
	}
	pull = &publication{login: &s.puller, secretRole: edgev1.SecretPull,
		desired: desiredSecret(s, &s.puller, data)}
	data, err = handoff.PublishData(input)
	if err != nil {
		return nil, nil, fmt.Errorf("make the content of Secret %q: %w", s.publisher.secret, err)
	}
	publish = &publication{login: &s.publisher, secretRole: edgev1.SecretPublish,
		desired: desiredSecret(s, &s.publisher, data)}
	return publish, pull, nil
}

func desiredSecret(s *scope, l *login, data map[string][]byte) *corev1.Secret {
	spec := s.secretSpec(l)
	desired := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   s.project,
			Name:        l.secret,
			Labels:      asStrings(spec.Labels),
			Annotations: asStrings(spec.Annotations),
		},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: data,
	}
	metav1.SetMetaDataLabel(&desired.ObjectMeta, kindLabel, l.secretKind())
	for key, value := range map[string]string{
		tektonAnnotation:       "https://" + s.host,
		generationAnnotation:   strconv.FormatInt(l.token.generation, 10),
		anchorUIDAnnotation:    string(l.token.claims.AnchorUID),
		credentialIDAnnotation: l.token.claims.ID,
		accountUIDAnnotation:   string(l.token.claims.ServiceAccountUID),
		issuedAtAnnotation:     timestamp(l.token.claims.IssuedAt),
		expiresAtAnnotation:    timestamp(l.token.claims.Expiry),
	} {
		// A token that does not expire has no id and no expiry, and one of an API server before 1.30 no id.
		if value != "" {
			metav1.SetMetaDataAnnotation(&desired.ObjectMeta, key, value)
		}
	}
	if handled := s.handledRotation(l); handled != "" {
		metav1.SetMetaDataAnnotation(&desired.ObjectMeta, rotationAnnotation, handled)
	}
	return desired
}

// asStrings is a copy of labels or annotations of the spec as an object carries them.
func asStrings[V ~string](values map[string]V) map[string]string {
	written := make(map[string]string, len(values))
	for key, value := range values {
		written[key] = string(value)
	}
	return written
}

// secretKind is what the Secret of a login is: in its label, and in the spec.
func (l *login) secretKind() string {
	if l.role == edgev1.TokenPublisher {
		return kindPublish
	}
	return kindPull
}

func (s *scope) secretSpec(l *login) edgev1.SecretSpec {
	if l.role == edgev1.TokenPublisher {
		return s.edge.Spec.Secrets.Publish
	}
	return s.edge.Spec.Secrets.Pull
}

// publish writes a Secret in the project, and with it the list of the namespaces that may hold a copy.
func (r *EdgeRegistryReconciler) publish(ctx context.Context, s *scope, p *publication) error {
	live := s.live.secrets[p.secret]
	s.changing = s.changing || (live != nil && !slices.Equal(p.copies.holders, r.copiedTo(s, live)) && !s.lostList(p, live))
	setCopiedTo(p.desired, p.copies.holders)
	carried := live != nil && live.Annotations[anchorUIDAnnotation] == p.desired.Annotations[anchorUIDAnnotation]
	written, err := r.ensure(ctx, s, p.desired, live)
	if err != nil {
		return err
	}
	r.forgetUnpublished(s, p.login)
	first := p.token.fresh && !carried
	if first && live != nil {
		countRotation(p.role)
	}
	s.live.secrets[p.secret] = written.(*corev1.Secret)
	return nil
}

// lostList reports that somebody took away the list of the namespaces that hold a copy, by the status.
func (s *scope) lostList(p *publication, live *corev1.Secret) bool {
	_, listed := live.Annotations[copiedToAnnotation]
	return !listed && slices.ContainsFunc(s.edge.Status.Secrets, func(known edgev1.SecretStatus) bool {
		return known.Role == p.secretRole && known.Copies != nil && known.Copies.Synced > 0
	})
}

// handledRotation is the request for rotation that the token of a login answers.
func (s *scope) handledRotation(l *login) string {
	if requested := s.edge.Annotations[edgev1.RotateAnnotation]; l.token.fresh && requested != "" {
		return requested
	}
	if published := s.live.secrets[l.secret]; published != nil {
		return published.Annotations[rotationAnnotation]
	}
	return ""
}

func describeSecrets(s *scope, publications []*publication) {
	s.edge.Status.Secrets = nil
	for _, p := range publications {
		s.edge.Status.Secrets = append(s.edge.Status.Secrets, edgev1.SecretStatus{
			Role: p.secretRole, Namespace: s.project, Name: p.secret, Generation: p.token.generation, Copies: p.copies.status(),
		})
	}
	if handled := s.handledRotation(&s.publisher); handled == s.handledRotation(&s.puller) {
		s.edge.Status.LastHandledRotation = handled
	}
}
