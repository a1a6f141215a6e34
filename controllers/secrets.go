// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// publishSecrets writes the two Secrets that consumers read, then settles the anchors: no token is
// retired before its successor is published.
func (r *EdgeRegistryReconciler) publishSecrets(ctx context.Context, s *scope) (done, error) {
	input := handoff.Input{
		Host:      s.host,
		Project:   s.project,
		Publisher: handoff.Login{User: s.publisher.account, Token: s.publisher.token.Token},
		Puller:    handoff.Login{User: s.puller.account, Token: s.puller.token.Token},
		CA:        s.ca,
	}
	pull, err := handoff.PullData(input)
	if err != nil {
		return done{}, fmt.Errorf("make the content of Secret %q: %w", s.puller.secret, err)
	}
	publish, err := handoff.PublishData(input)
	if err != nil {
		return done{}, fmt.Errorf("make the content of Secret %q: %w", s.publisher.secret, err)
	}
	secrets := s.edge.Spec.Secrets
	// The pull Secret first: the publish Secret repeats its token.
	if err := r.publish(ctx, s, &s.puller, kindPull, secrets.Pull, pull); err != nil {
		return done{}, err
	}
	if err := r.publish(ctx, s, &s.publisher, kindPublish, secrets.Publish, publish); err != nil {
		return done{}, err
	}
	if err := r.settleAnchors(ctx, s); err != nil {
		return done{}, err
	}
	describeTokens(s)
	describeSecrets(s)
	return doneBecause(edgev1.ReasonPublished, "Secrets %s (push) and %s (pull) in project %q are up to date",
		s.publisher.secret, s.puller.secret, s.project), nil
}

func (r *EdgeRegistryReconciler) publish(ctx context.Context, s *scope, l *login, kind string, spec edgev1.SecretSpec, data map[string][]byte) error {
	desired := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   s.project,
			Name:        l.secret,
			Labels:      maps.Clone(spec.Labels),
			Annotations: maps.Clone(spec.Annotations),
		},
		Type: corev1.SecretTypeDockerConfigJson,
		Data: data,
	}
	metav1.SetMetaDataLabel(&desired.ObjectMeta, kindLabel, kind)
	for key, value := range map[string]string{
		tektonAnnotation:       "https://" + s.host,
		generationAnnotation:   strconv.FormatInt(l.token.generation, 10),
		anchorUIDAnnotation:    string(l.token.claims.AnchorUID),
		credentialIDAnnotation: l.token.claims.ID,
		accountUIDAnnotation:   string(l.token.claims.ServiceAccountUID),
		issuedAtAnnotation:     timestamp(l.token.claims.IssuedAt),
		expiresAtAnnotation:    timestamp(l.token.claims.Expiry),
	} {
		// A token that does not expire has no id and no expiry.
		if value != "" {
			metav1.SetMetaDataAnnotation(&desired.ObjectMeta, key, value)
		}
	}
	if handled := s.handledRotation(l); handled != "" {
		metav1.SetMetaDataAnnotation(&desired.ObjectMeta, rotationAnnotation, handled)
	}
	written, err := r.ensure(ctx, s, desired, s.live.secrets[l.secret])
	if err != nil {
		return err
	}
	s.live.secrets[l.secret] = written.(*corev1.Secret)
	return nil
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

func describeSecrets(s *scope) {
	s.edge.Status.Secrets = []edgev1.SecretStatus{
		{Role: edgev1.SecretPublish, Namespace: s.project, Name: s.publisher.secret},
		{Role: edgev1.SecretPull, Namespace: s.project, Name: s.puller.secret},
	}
	if handled := s.handledRotation(&s.publisher); handled == s.handledRotation(&s.puller) {
		s.edge.Status.LastHandledRotation = handled
	}
}
