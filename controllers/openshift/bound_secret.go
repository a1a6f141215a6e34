// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

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
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// dropLostAnchors deletes the anchors of a role that were never published, and so revokes tokens
// that nobody knows. That of the token which waits to be published stays, and that of a LongLived one
// that can still be published, since the token is in it.
func (s *session) dropLostAnchors(ctx context.Context, l *login) error {
	for _, anchor := range s.anchors(l) {
		uid := string(anchor.UID)
		if (l.Unpublished != nil && uid == l.Unpublished.ID) || (l.Begun != nil && uid == l.Begun.ID) {
			continue
		}
		if s.wasPublished(anchor) || uid == l.Credential.ID || !anchor.DeletionTimestamp.IsZero() {
			continue
		}
		if err := s.removeAnchor(ctx, anchor); err != nil {
			return err
		}
		s.NoteLost(l.Login, generationOf(anchor), anchor)
	}
	return nil
}

// removeAnchor deletes an anchor, and its token dies with it.
func (s *session) removeAnchor(ctx context.Context, anchor *corev1.Secret) error {
	if err := s.Objects.Remove(ctx, s.Scope, anchor); err != nil {
		return err
	}
	delete(s.Secrets, anchor.Name)
	return nil
}

// lastGeneration is the highest number of an anchor. A token each second would take thirty years to come to it.
const lastGeneration = 999_999_999

// createAnchor makes the anchor of the next generation. A name that is taken by another's Secret,
// or by an anchor that a finalizer holds, is passed over.
func (s *session) createAnchor(ctx context.Context, l *login, why pass.Cause) (*corev1.Secret, error) {
	const attempts = 10
	var taken []string
	for next := s.highestGeneration(l); len(taken) < attempts; {
		next = s.freeGeneration(l, next)
		anchor := s.newAnchor(l, next, why)
		objects.Own(anchor, s.Edge, true)
		created, err := s.Objects.Create(ctx, s.Scope, anchor)
		if apierrors.IsAlreadyExists(err) {
			taken = append(taken, anchor.Name)
			continue
		}
		if err != nil {
			return nil, err
		}
		secret := created.(*corev1.Secret)
		s.Secrets[secret.Name] = secret
		return secret, nil
	}
	return nil, pass.Stalled(edgev1.ReasonConflict, "Secrets %s to %s in project %q exist and do not belong to this EdgeRegistry: delete them",
		taken[0], taken[attempts-1], s.Home.Namespace)
}

// highestGeneration is the number after which to look for a free one: the highest that an anchor or the published Secret
// tells of. Whoever may write in the project may write the last there is, too: then it is that of the token in use. A number
// that comes again does no harm, since a token is bound to the UID of its anchor as well.
func (s *session) highestGeneration(l *login) int64 {
	highest := max(s.publishedGeneration(l), s.Record.Highest(l.Role))
	for _, anchor := range s.anchors(l) {
		highest = max(highest, generationOf(anchor))
	}
	if highest == lastGeneration {
		return l.Credential.Generation
	}
	return highest
}

// freeGeneration is the next number whose name is not known to be taken; after the last comes the first.
func (s *session) freeGeneration(l *login, after int64) int64 {
	for {
		after = after%lastGeneration + 1
		name := boundSecretName(l.Secret, after)
		if s.Secrets[name] == nil && name != s.publisher.Secret && name != s.puller.Secret {
			return after
		}
	}
}

// publishedGeneration is the generation that the published Secret tells of, whose anchor may be
// gone; zero if it is none that the operator writes.
func (s *session) publishedGeneration(l *login) int64 {
	published := s.Secrets[l.Secret]
	if published == nil {
		return 0
	}
	return generationIn(l.Secret+"-"+published.Annotations[objects.GenerationAnnotation], l.Secret)
}

// desiredAnchor is what anchors of both types are. Nothing of it is taken from the spec: whoever
// chooses the labels or annotations of a token Secret chooses whose token the cluster puts there.
func (s *session) desiredAnchor(l *login, generation int64, tokenType edgev1.TokenType) *corev1.Secret {
	anchor := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   s.Home.Namespace,
			Name:        boundSecretName(l.Secret, generation),
			Labels:      map[string]string{objects.KindLabel: objects.KindAnchor, objects.RoleLabel: objects.RoleValue(l.Role)},
			Annotations: map[string]string{objects.GenerationAnnotation: strconv.FormatInt(generation, 10)},
		},
		Type: corev1.SecretTypeOpaque,
	}
	// The console shows it, and oc describe: who finds the Secret without a value would delete it.
	anchor.Annotations[descriptionAnnotation] = fmt.Sprintf(
		"Empty on purpose. Token %d of service account %s is bound to this Secret: deleting it revokes that token, wherever it is in use.", generation, l.Account)
	if tokenType == edgev1.TokenLongLived {
		anchor.Type = corev1.SecretTypeServiceAccountToken
		anchor.Annotations[corev1.ServiceAccountNameKey] = l.Account
		anchor.Annotations[descriptionAnnotation] = fmt.Sprintf(
			"Token %d of service account %s, which does not expire. Deleting this Secret revokes it, wherever it is in use.", generation, l.Account)
	}
	return anchor
}

// newAnchor is an anchor whose token is yet to be minted, with the latest expiry that it can have.
func (s *session) newAnchor(l *login, generation int64, why pass.Cause) *corev1.Secret {
	anchor := s.desiredAnchor(l, generation, l.tokenType)
	anchor.Annotations[objects.AccountUIDAnnotation] = string(l.accountUID)
	anchor.Annotations[objects.CauseAnnotation] = why.Name
	if l.tokenType == edgev1.TokenBound {
		anchor.Annotations[objects.LifetimeAnnotation] = l.Policy.Lifetime.String()
		anchor.Annotations[objects.ExpiresAtAnnotation] = pass.Timestamp(s.Now.Add(l.Policy.Lifetime))
	}
	return anchor
}

// anchors returns the EdgeRegistry's anchors of a role by generation. The current one counts
// whatever became of its labels, so that it is mended. What has the labels and the owner and another name than the operator
// would give it is none: everybody who may write in the project can write those.
func (s *session) anchors(l *login) []*corev1.Secret {
	var anchors []*corev1.Secret
	for _, secret := range s.Secrets {
		labelled := secret.Labels[objects.KindLabel] == objects.KindAnchor && secret.Labels[objects.RoleLabel] == objects.RoleValue(l.Role)
		named := generationIn(secret.Name, l.Secret) != 0
		if named && (labelled || string(secret.UID) == l.Credential.ID) && objects.OwnedBy(secret, s.Edge.UID) {
			anchors = append(anchors, secret)
		}
	}
	slices.SortFunc(anchors, func(a, b *corev1.Secret) int { return cmp.Compare(generationOf(a), generationOf(b)) })
	return anchors
}

// onRecord is what is on record of the token of an anchor, or nil.
func (s *session) onRecord(anchor metav1.Object) *pass.Issued {
	return s.Record.Find(string(anchor.GetUID()))
}

// wasPublished reports an anchor whose token was published: it says so, or a later one of its role is on record, which was
// issued once this one was in use.
func (s *session) wasPublished(anchor metav1.Object) bool {
	issued := s.onRecord(anchor)
	return isMarked(anchor) || (issued != nil && issued.Generation < s.Record.Highest(issued.Role))
}

// isMarked reports an anchor that says that its token was published.
func isMarked(anchor metav1.Object) bool {
	return anchor.GetAnnotations()[objects.IssuedAtAnnotation] != ""
}

// IsNews reports an object whose coming and going is worth a pass. An anchor whose token is not published comes and goes
// within one: were it news, a pass that fails after the mint would start the next, without any pause between.
func IsNews(object metav1.Object) bool {
	return object.GetLabels()[objects.KindLabel] != objects.KindAnchor || isMarked(object)
}

// generationOf is the generation of an anchor, by its name, which nobody can alter.
func generationOf(anchor *corev1.Secret) int64 {
	return generationIn(anchor.Name, anchor.Name[:max(0, strings.LastIndex(anchor.Name, "-"))])
}

// generationIn is the generation in the name of an anchor of a published Secret; zero unless the name is the very one that
// boundSecretName forms for a number in bounds.
func generationIn(name, secret string) int64 {
	generation, err := strconv.ParseInt(strings.TrimPrefix(name, secret+"-"), 10, 64)
	if err != nil || generation < 1 || generation > lastGeneration || name != boundSecretName(secret, generation) {
		return 0
	}
	return generation
}

// askedLifetime is the lifetime that the token of an anchor was asked for. That an anchor which is not on record lost the
// annotation is no cause to mint.
func (s *session) askedLifetime(anchor *corev1.Secret, l *login) string {
	if issued := s.onRecord(anchor); issued != nil && issued.Lifetime != "" {
		return issued.Lifetime
	}
	if asked := anchor.Annotations[objects.LifetimeAnnotation]; asked != "" {
		return asked
	}
	return l.Policy.Lifetime.String()
}

// anchorExpiry is when the token of an anchor expires at the latest, also if its annotations were altered.
func (s *session) anchorExpiry(anchor *corev1.Secret, l *login) time.Time {
	if issued := s.onRecord(anchor); issued != nil && !issued.ExpiresAt.IsZero() {
		return issued.ExpiresAt.Time
	}
	if expiry := pass.AnnotatedTime(anchor, objects.ExpiresAtAnnotation); !expiry.IsZero() {
		return expiry
	}
	lifetime, err := time.ParseDuration(anchor.Annotations[objects.LifetimeAnnotation])
	if err != nil {
		lifetime = l.Policy.Lifetime
	}
	return anchor.CreationTimestamp.Add(lifetime)
}

// accountOf is the UID of the service account that an anchor's token speaks for. A token dies with
// its account.
func (s *session) accountOf(anchor *corev1.Secret, l *login) types.UID {
	if issued := s.onRecord(anchor); issued != nil {
		return types.UID(issued.Marks[objects.AccountUIDAnnotation])
	}
	if uid := anchor.Annotations[objects.AccountUIDAnnotation]; uid != "" {
		return types.UID(uid)
	}
	return l.accountUID
}
