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

// In this package "bound Secret" also means the token Secret of a LongLived token. Both have the same names and numbers, and a token
// of either type ends when its Secret is deleted.

// dropLostSecrets deletes the bound Secrets of a role whose token was never published, and so revokes these tokens. It keeps the
// Secrets of tokens that can still be published: l.Unpublished and l.Begun.
func (s *session) dropLostSecrets(ctx context.Context, l *login) error {
	for _, bound := range s.boundSecrets(l) {
		uid := string(bound.UID)
		if (l.Unpublished != nil && uid == l.Unpublished.ID) || (l.Begun != nil && uid == l.Begun.ID) {
			continue
		}
		if s.wasPublished(bound) || uid == l.Credential.ID || !bound.DeletionTimestamp.IsZero() {
			continue
		}
		if err := s.removeBoundSecret(ctx, bound); err != nil {
			return err
		}
		s.NoteLost(l.Login, generationOf(bound), bound)
	}
	return nil
}

// removeBoundSecret revokes a token by deleting its bound Secret.
func (s *session) removeBoundSecret(ctx context.Context, bound *corev1.Secret) error {
	if err := s.Objects.Remove(ctx, s.Scope, bound); err != nil {
		return err
	}
	delete(s.Secrets, bound.Name)
	return nil
}

// createBoundSecret creates the bound Secret of the next generation. It skips a name that is taken by a Secret of somebody
// else, or by a bound Secret that a finalizer keeps.
func (s *session) createBoundSecret(ctx context.Context, l *login, why pass.Cause) (*corev1.Secret, error) {
	const attempts = 10
	var taken []string
	for next := s.highestGeneration(l); len(taken) < attempts; {
		next = s.freeGeneration(l, next)
		bound := s.newBoundSecret(l, next, why)
		objects.Own(bound, s.Edge, true)
		created, err := s.Objects.Create(ctx, s.Scope, bound)
		if apierrors.IsAlreadyExists(err) {
			taken = append(taken, bound.Name)
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

// highestGeneration is the number after which to look for a free one: the highest of the bound Secrets, the published Secret
// and the record. A tenant can write the last possible number. Then it is the number of the token in use. A number that is used
// twice does no harm, because a token is also bound to the UID of its Secret.
func (s *session) highestGeneration(l *login) int64 {
	highest := max(s.publishedGeneration(l), s.Record.Highest(l.Role))
	for _, bound := range s.boundSecrets(l) {
		highest = max(highest, generationOf(bound))
	}
	if highest == pass.LastGeneration {
		return l.Credential.Generation
	}
	return highest
}

// freeGeneration is the next number whose name is not known to be taken; after the last comes the first.
func (s *session) freeGeneration(l *login, after int64) int64 {
	for {
		after = after%pass.LastGeneration + 1
		name := boundSecretName(l.Secret, after)
		if s.Secrets[name] == nil && name != s.publisher.Secret && name != s.puller.Secret {
			return after
		}
	}
}

// publishedGeneration is the generation on the published Secret, whose bound Secret may be gone; zero if it is not a valid one.
func (s *session) publishedGeneration(l *login) int64 {
	published := s.Secrets[l.Secret]
	if published == nil {
		return 0
	}
	return generationIn(l.Secret+"-"+published.Annotations[objects.GenerationAnnotation], l.Secret)
}

// desiredBoundSecret is the Secret for a token of either type. No label or annotation comes from the spec, because an annotation of a
// token Secret decides whose token the cluster puts there.
func (s *session) desiredBoundSecret(l *login, generation int64, tokenType edgev1.TokenType) *corev1.Secret {
	bound := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   s.Home.Namespace,
			Name:        boundSecretName(l.Secret, generation),
			Labels:      map[string]string{objects.KindLabel: objects.KindBound, objects.RoleLabel: objects.RoleValue(l.Role)},
			Annotations: map[string]string{objects.GenerationAnnotation: strconv.FormatInt(generation, 10)},
		},
		Type: corev1.SecretTypeOpaque,
	}
	// The console and oc describe show the description, so that nobody deletes the Secret because it has no data.
	bound.Annotations[descriptionAnnotation] = fmt.Sprintf(
		"Empty on purpose. Token %d of service account %s is bound to this Secret: deleting it revokes that token, wherever it is in use.", generation, l.Account)
	if tokenType == edgev1.TokenLongLived {
		bound.Type = corev1.SecretTypeServiceAccountToken
		bound.Annotations[corev1.ServiceAccountNameKey] = l.Account
		bound.Annotations[descriptionAnnotation] = fmt.Sprintf(
			"Token %d of service account %s, which does not expire. Deleting this Secret revokes it, wherever it is in use.", generation, l.Account)
	}
	return bound
}

// newBoundSecret is the Secret of a token that is yet to be minted, with the latest expiry that it can have.
func (s *session) newBoundSecret(l *login, generation int64, why pass.Cause) *corev1.Secret {
	bound := s.desiredBoundSecret(l, generation, l.tokenType)
	bound.Annotations[objects.AccountUIDAnnotation] = string(l.accountUID)
	bound.Annotations[objects.CauseAnnotation] = why.Name
	if l.tokenType == edgev1.TokenBound {
		bound.Annotations[objects.LifetimeAnnotation] = l.Policy.Lifetime.String()
		bound.Annotations[objects.ExpiresAtAnnotation] = pass.Timestamp(s.Now.Add(l.Policy.Lifetime))
	}
	return bound
}

// boundSecrets returns the EdgeRegistry's bound Secrets of a role, ordered by generation. The current one counts even if its
// labels were removed, so that they are repaired. Labels and owner are not enough, since everybody who may write in the project
// can write them: the name has to be one that the operator gives.
func (s *session) boundSecrets(l *login) []*corev1.Secret {
	var found []*corev1.Secret
	for _, secret := range s.Secrets {
		labelled := secret.Labels[objects.KindLabel] == objects.KindBound && secret.Labels[objects.RoleLabel] == objects.RoleValue(l.Role)
		named := generationIn(secret.Name, l.Secret) != 0
		if named && (labelled || string(secret.UID) == l.Credential.ID) && objects.OwnedBy(secret, s.Edge.UID) {
			found = append(found, secret)
		}
	}
	slices.SortFunc(found, func(a, b *corev1.Secret) int { return cmp.Compare(generationOf(a), generationOf(b)) })
	return found
}

// onRecord returns the entry in the record for the token of a bound Secret, or nil.
func (s *session) onRecord(bound metav1.Object) *pass.Issued {
	return s.Record.Find(string(bound.GetUID()))
}

// wasPublished reports whether the token of a bound Secret was published: the Secret is marked so, or a later token of its role is
// on record, which is only issued after this one was published.
func (s *session) wasPublished(bound metav1.Object) bool {
	issued := s.onRecord(bound)
	return isMarked(bound) || (issued != nil && issued.Generation < s.Record.Highest(issued.Role))
}

// isMarked reports whether a bound Secret says that its token was published.
func isMarked(bound metav1.Object) bool {
	return bound.GetAnnotations()[objects.IssuedAtAnnotation] != ""
}

// IsNews reports whether the creation or deletion of an object starts a pass. A bound Secret whose token is not published comes and
// goes within a pass. If that started another pass, one that fails after the mint would be repeated without a pause.
func IsNews(object metav1.Object) bool {
	return object.GetLabels()[objects.KindLabel] != objects.KindBound || isMarked(object)
}

// generationOf is the generation of a bound Secret. It comes from the name, which nobody can change.
func generationOf(bound *corev1.Secret) int64 {
	return generationIn(bound.Name, bound.Name[:max(0, strings.LastIndex(bound.Name, "-"))])
}

// generationIn is the generation in the name of a bound Secret; zero unless boundSecretName gives that very name to a number
// from 1 to pass.LastGeneration.
func generationIn(name, secret string) int64 {
	generation := pass.ParseGeneration(strings.TrimPrefix(name, secret+"-"))
	if name != boundSecretName(secret, generation) {
		return 0
	}
	return generation
}

// askedLifetime is the lifetime that was requested for the token of a bound Secret. If neither record nor annotation has it, it is
// the lifetime in the spec, so that a lost annotation causes no new token.
func (s *session) askedLifetime(bound *corev1.Secret, l *login) string {
	if issued := s.onRecord(bound); issued != nil && issued.Lifetime != "" {
		return issued.Lifetime
	}
	if asked := bound.Annotations[objects.LifetimeAnnotation]; asked != "" {
		return asked
	}
	return l.Policy.Lifetime.String()
}

// expiryOf is when the token of a bound Secret expires at the latest, even if the annotations were altered.
func (s *session) expiryOf(bound *corev1.Secret, l *login) time.Time {
	if issued := s.onRecord(bound); issued != nil && !issued.ExpiresAt.IsZero() {
		return issued.ExpiresAt.Time
	}
	if expiry := pass.AnnotatedTime(bound, objects.ExpiresAtAnnotation); !expiry.IsZero() {
		return expiry
	}
	lifetime, err := time.ParseDuration(bound.Annotations[objects.LifetimeAnnotation])
	if err != nil {
		lifetime = l.Policy.Lifetime
	}
	return bound.CreationTimestamp.Add(lifetime)
}

// accountOf is the UID of the service account of a bound Secret's token. A token stops working when its account is deleted.
func (s *session) accountOf(bound *corev1.Secret, l *login) types.UID {
	if issued := s.onRecord(bound); issued != nil {
		return types.UID(issued.Marks[objects.AccountUIDAnnotation])
	}
	if uid := bound.Annotations[objects.AccountUIDAnnotation]; uid != "" {
		return types.UID(uid)
	}
	return l.accountUID
}
