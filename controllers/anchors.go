// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// dropLostAnchors deletes the anchors of a role that were never published, and so revokes tokens
// that nobody knows. That of the token which waits to be published stays, and while a token is needed
// that of a LongLived one, since the token is in it.
func (r *EdgeRegistryReconciler) dropLostAnchors(ctx context.Context, s *scope, l *login, kept *unpublishedToken, needed bool) error {
	for _, anchor := range s.anchors(l) {
		if kept != nil && anchor.UID == kept.claims.AnchorUID {
			continue
		}
		if wasPublished(anchor) || anchor.UID == l.token.claims.AnchorUID || !anchor.DeletionTimestamp.IsZero() {
			continue
		}
		if needed && l.tokenType() == edgev1.TokenLongLived && isPending(anchor, l) {
			continue
		}
		if err := r.remove(ctx, s, anchor); err != nil {
			return err
		}
		delete(s.live.secrets, anchor.Name)
		s.notes = append(s.notes, note{edgev1.ReasonTokenRetired,
			fmt.Sprintf("%s token %d was lost before it was published, and is revoked", l.account, generationOf(anchor)), anchor})
	}
	return nil
}

// lastGeneration is the highest number of an anchor. A token each second would take thirty years to come to it.
const lastGeneration = 999_999_999

// createAnchor makes the anchor of the next generation. A name that is taken by another's Secret,
// or by an anchor that a finalizer holds, is passed over.
func (r *EdgeRegistryReconciler) createAnchor(ctx context.Context, s *scope, l *login, why cause) (*corev1.Secret, error) {
	const attempts = 10
	var taken []string
	for next := s.highestGeneration(l); len(taken) < attempts; {
		next = s.freeGeneration(l, next)
		anchor := newAnchor(s, l, next, why)
		own(anchor, s.edge)
		created, err := r.create(ctx, s, anchor)
		if apierrors.IsAlreadyExists(err) {
			taken = append(taken, anchor.Name)
			continue
		}
		if err != nil {
			return nil, err
		}
		secret := created.(*corev1.Secret)
		s.live.secrets[secret.Name] = secret
		return secret, nil
	}
	return nil, stalled(edgev1.ReasonConflict, "Secrets %s to %s in project %q exist and do not belong to this EdgeRegistry: delete them",
		taken[0], taken[attempts-1], s.project)
}

// highestGeneration is the number after which to look for a free one: the highest that an anchor or the published Secret
// tells of. Whoever may write in the project may write the last there is, too: then it is that of the token in use. A number
// that comes again does no harm, since a token is bound to the UID of its anchor as well.
func (s *scope) highestGeneration(l *login) int64 {
	highest := s.publishedGeneration(l)
	for _, anchor := range s.anchors(l) {
		highest = max(highest, generationOf(anchor))
	}
	if highest == lastGeneration {
		return l.token.generation
	}
	return highest
}

// freeGeneration is the next number whose name is not known to be taken; after the last comes the first.
func (s *scope) freeGeneration(l *login, after int64) int64 {
	for {
		after = after%lastGeneration + 1
		name := anchorName(l.secret, after)
		if s.live.secrets[name] == nil && name != s.publisher.secret && name != s.puller.secret {
			return after
		}
	}
}

// publishedGeneration is the generation that the published Secret tells of, whose anchor may be
// gone; zero if it is none that the operator writes.
func (s *scope) publishedGeneration(l *login) int64 {
	published := s.live.secrets[l.secret]
	if published == nil {
		return 0
	}
	return generationIn(l.secret+"-"+published.Annotations[generationAnnotation], l.secret)
}

// desiredAnchor is what anchors of both types are. Nothing of it is taken from the spec: whoever
// chooses the labels or annotations of a token Secret chooses whose token the cluster puts there.
func desiredAnchor(s *scope, l *login, generation int64, tokenType edgev1.TokenType) *corev1.Secret {
	anchor := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   s.project,
			Name:        anchorName(l.secret, generation),
			Labels:      map[string]string{kindLabel: kindAnchor, roleLabel: roleValue(l.role)},
			Annotations: map[string]string{generationAnnotation: strconv.FormatInt(generation, 10)},
		},
		Type: corev1.SecretTypeOpaque,
	}
	if tokenType == edgev1.TokenLongLived {
		anchor.Type = corev1.SecretTypeServiceAccountToken
		anchor.Annotations[corev1.ServiceAccountNameKey] = l.account
	}
	return anchor
}

// newAnchor is an anchor whose token is yet to be minted, with the latest expiry that it can have.
func newAnchor(s *scope, l *login, generation int64, why cause) *corev1.Secret {
	anchor := desiredAnchor(s, l, generation, l.tokenType())
	anchor.Annotations[accountUIDAnnotation] = string(l.accountUID)
	anchor.Annotations[causeAnnotation] = why.name
	if l.tokenType() == edgev1.TokenBound {
		anchor.Annotations[lifetimeAnnotation] = l.policy.Lifetime.Duration.String()
		anchor.Annotations[expiresAtAnnotation] = timestamp(s.now.Add(l.policy.Lifetime.Duration))
	}
	return anchor
}

// settleAnchors marks the anchors of the tokens that the Secrets now carry as published, and
// deletes those whose token works no more. It runs once the Secrets are written.
func (r *EdgeRegistryReconciler) settleAnchors(ctx context.Context, s *scope) error {
	// The API server takes a token for another minute after its expiry.
	const leeway = time.Minute
	for _, l := range s.logins() {
		for _, anchor := range s.anchors(l) {
			expiry := anchorExpiry(anchor, l)
			switch {
			case anchor.UID == l.token.claims.AnchorUID:
				if err := r.markPublished(ctx, s, l, anchor); err != nil {
					return err
				}
			case typeOf(anchor) == edgev1.TokenLongLived && accountOf(anchor, l) == l.accountUID:
				// It works until somebody deletes it.
			case s.now.Before(expiry.Add(leeway)) && accountOf(anchor, l) == l.accountUID:
				s.due(expiry.Add(leeway))
			case anchor.DeletionTimestamp.IsZero():
				if err := r.remove(ctx, s, anchor); err != nil {
					return err
				}
				delete(s.live.secrets, anchor.Name)
				s.notes = append(s.notes, note{edgev1.ReasonTokenRetired,
					fmt.Sprintf("%s token %d does not work any more", l.account, generationOf(anchor)), anchor})
			}
		}
	}
	return nil
}

// markCurrent makes sure that the anchor of the published token says so before that token is
// followed by another: an operator that died in between may not have come to it.
func (r *EdgeRegistryReconciler) markCurrent(ctx context.Context, s *scope, l *login) error {
	anchor := s.live.secrets[l.token.claims.AnchorName]
	if anchor == nil || anchor.UID != l.token.claims.AnchorUID || wasPublished(anchor) {
		return nil
	}
	return r.markPublished(ctx, s, l, anchor)
}

// markPublished records on the anchor that its token is in use. From then on it stays until the
// token expires, even if the Secret that carries the token is deleted: a consumer may have read it.
func (r *EdgeRegistryReconciler) markPublished(ctx context.Context, s *scope, l *login, anchor *corev1.Secret) error {
	claims := l.token.claims
	desired := desiredAnchor(s, l, generationOf(anchor), typeOf(anchor))
	desired.Name = anchor.Name
	desired.Annotations[accountUIDAnnotation] = string(claims.ServiceAccountUID)
	desired.Annotations[issuedAtAnnotation] = timestamp(claims.IssuedAt)
	if claims.Expires() {
		desired.Annotations[lifetimeAnnotation] = askedLifetime(anchor, l)
		if claims.ID != "" {
			desired.Annotations[credentialIDAnnotation] = claims.ID
		}
		desired.Annotations[expiresAtAnnotation] = timestamp(claims.Expiry)
	}
	if why := anchor.Annotations[causeAnnotation]; why != "" {
		desired.Annotations[causeAnnotation] = why
	}
	marked, err := r.ensure(ctx, s, desired, anchor)
	if err != nil {
		return err
	}
	s.live.secrets[anchor.Name] = marked.(*corev1.Secret)
	return nil
}

// anchors returns the EdgeRegistry's anchors of a role by generation. The current one counts
// whatever became of its labels, so that it is mended. What has the labels and the owner and another name than the operator
// would give it is none: everybody who may write in the project can write those.
func (s *scope) anchors(l *login) []*corev1.Secret {
	var anchors []*corev1.Secret
	for _, secret := range s.live.secrets {
		labelled := secret.Labels[kindLabel] == kindAnchor && secret.Labels[roleLabel] == roleValue(l.role)
		named := generationIn(secret.Name, l.secret) != 0
		if named && (labelled || secret.UID == l.token.claims.AnchorUID) && ownedBy(secret, s.edge.UID) {
			anchors = append(anchors, secret)
		}
	}
	slices.SortFunc(anchors, func(a, b *corev1.Secret) int { return cmp.Compare(generationOf(a), generationOf(b)) })
	return anchors
}

// wasPublished reports an anchor of either type that is marked as that of a published token.
func wasPublished(anchor metav1.Object) bool {
	return anchor.GetAnnotations()[issuedAtAnnotation] != ""
}

// generationOf is the generation of an anchor, by its name, which nobody can alter.
func generationOf(anchor *corev1.Secret) int64 {
	return generationIn(anchor.Name, anchor.Name[:max(0, strings.LastIndex(anchor.Name, "-"))])
}

// generationIn is the generation in the name of an anchor of a published Secret; zero unless the name is the very one that
// anchorName forms for a number in bounds.
func generationIn(name, secret string) int64 {
	generation, err := strconv.ParseInt(strings.TrimPrefix(name, secret+"-"), 10, 64)
	if err != nil || generation < 1 || generation > lastGeneration || name != anchorName(secret, generation) {
		return 0
	}
	return generation
}

// askedLifetime is the lifetime that the token of an anchor was asked for. That an anchor lost the
// annotation is no cause to mint.
func askedLifetime(anchor *corev1.Secret, l *login) string {
	if asked := anchor.Annotations[lifetimeAnnotation]; asked != "" {
		return asked
	}
	return l.policy.Lifetime.Duration.String()
}

// anchorExpiry is when the token of an anchor expires at the latest, also if its annotations were altered.
func anchorExpiry(anchor *corev1.Secret, l *login) time.Time {
	if expiry := annotatedTime(anchor, expiresAtAnnotation); !expiry.IsZero() {
		return expiry
	}
	lifetime, err := time.ParseDuration(anchor.Annotations[lifetimeAnnotation])
	if err != nil {
		lifetime = l.policy.Lifetime.Duration
	}
	return anchor.CreationTimestamp.Add(lifetime)
}

// accountOf is the UID of the service account that an anchor's token speaks for. A token dies with
// its account.
func accountOf(anchor *corev1.Secret, l *login) types.UID {
	if uid := anchor.Annotations[accountUIDAnnotation]; uid != "" {
		return types.UID(uid)
	}
	return l.accountUID
}
