// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// invalidSinceLabel is put on a token Secret by kube-controller-manager when the Secret is in the list
// of its service account and nobody used the token for a year. From then on the API server refuses
// the token (kubernetes, pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go).
const invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since"

// typeOf is the type of a bound Secret's token. It follows from the type of the Secret, which is immutable.
func typeOf(bound *corev1.Secret) edgev1.TokenType {
	if bound.Type == corev1.SecretTypeServiceAccountToken {
		return edgev1.TokenLongLived
	}
	return edgev1.TokenBound
}

// keptToken is the token in a token Secret; the zero Token before the cluster has put it there.
func keptToken(secret *corev1.Secret) credential.Token {
	return credential.NewToken(string(secret.Data[corev1.ServiceAccountTokenKey]))
}

// completed adds to the claims of a LongLived token what only its Secret shows.
func completed(claims credential.Claims, secret *corev1.Secret) credential.Claims {
	if !claims.Expires() {
		claims.SecretUID = secret.UID
		claims.IssuedAt = secret.CreationTimestamp.UTC()
	}
	return claims
}

func invalidated(secret *corev1.Secret) bool {
	return secret.Labels[invalidSinceLabel] != ""
}

// isPending reports a token Secret whose token can still be published for a login: the cluster has not filled it yet, or has put
// the right token there.
func (s *session) isPending(secret *corev1.Secret, l *login) bool {
	if typeOf(secret) != edgev1.TokenLongLived || s.wasPublished(secret) || invalidated(secret) || !secret.DeletionTimestamp.IsZero() ||
		secret.Annotations[corev1.ServiceAccountNameKey] != l.Account {
		return false
	}
	token := keptToken(secret)
	if token.IsZero() {
		return s.accountOf(secret, l) == l.accountUID
	}
	claims, err := credential.ReadClaims(token)
	return err == nil && !claims.Expires() && claims.SecretName == secret.Name &&
		claims.ServiceAccount == l.Account && claims.ServiceAccountUID == l.accountUID
}

// boundSecretToFill is the Secret for the next token. A token Secret that was never published is used before another is made,
// because its token is not lost.
func (s *session) boundSecretToFill(ctx context.Context, l *login, why pass.Cause) (*corev1.Secret, error) {
	if bound := s.pendingTokenSecret(l); bound != nil {
		return bound, nil
	}
	bound, err := s.createBoundSecret(ctx, l, why)
	if err == nil && typeOf(bound) == edgev1.TokenLongLived {
		// The cluster fills it from now on, whether or not this pass waits for that.
		l.Begun = begun(bound)
	}
	return bound, err
}

// pendingTokenSecret is the Secret of a LongLived token that waits to be published, or nil.
func (s *session) pendingTokenSecret(l *login) *corev1.Secret {
	for _, secret := range s.boundSecrets(l) {
		if l.tokenType == edgev1.TokenLongLived && string(secret.UID) != l.Credential.ID && s.isPending(secret, l) {
			return secret
		}
	}
	return nil
}

// begun is the token of a token Secret that the cluster fills, or has filled.
func begun(secret *corev1.Secret) *pass.Credential {
	return &pass.Credential{Identity: pass.Identity{ID: string(secret.UID)}, Generation: generationOf(secret), About: secret}
}

// awaitToken returns a token Secret with the token that kube-controller-manager puts into it, mostly within a fraction of a
// second.
func (s *session) awaitToken(ctx context.Context, l *login, secret *corev1.Secret) (*corev1.Secret, error) {
	const patience = 3 * time.Second
	live := secret
	err := wait.PollUntilContextTimeout(ctx, patience/30, patience, true, func(ctx context.Context) (bool, error) {
		if !keptToken(live).IsZero() {
			return true, nil
		}
		live = &corev1.Secret{}
		err := s.Get(ctx, client.ObjectKeyFromObject(secret), live)
		if apierrors.IsNotFound(err) || (err == nil && live.UID != secret.UID) {
			return false, pass.Waiting(edgev1.ReasonTokenPending, "%s was deleted before the cluster filled it: another is made", s.Objects.Describe(s.Scope, secret))
		}
		if err != nil {
			return false, fmt.Errorf("read %s: %w", s.Objects.Describe(s.Scope, secret), err)
		}
		return !keptToken(live).IsZero(), nil
	})
	switch {
	case err == nil:
		s.Secrets[secret.Name] = live
		return live, nil
	case wait.Interrupted(err) && ctx.Err() == nil:
		return nil, pass.Waiting(edgev1.ReasonTokenPending, "the cluster has not put a token for %s into %s yet: see whether kube-controller-manager works",
			l.Account, s.Objects.Describe(s.Scope, secret))
	case pass.AsBlocked(err) != nil:
		l.Begun = nil
		delete(s.Secrets, secret.Name)
	}
	return nil, err
}

// superseded are the LongLived tokens of a login that still work although another is current.
func (s *session) superseded(l *login, current types.UID) []string {
	var names []string
	for _, secret := range s.boundSecrets(l) {
		if typeOf(secret) == edgev1.TokenLongLived && secret.UID != current && s.wasPublished(secret) &&
			!invalidated(secret) && s.accountOf(secret, l) == l.accountUID {
			names = append(names, secret.Name)
		}
	}
	return names
}

// adviseOnSuperseded says which LongLived tokens work besides the current one, and how they end.
func (s *session) adviseOnSuperseded(l *login, current types.UID) string {
	names := s.superseded(l, current)
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("earlier tokens of %s that do not expire go on working: delete %s in project %q when no node needs them",
		l.Account, listSecrets(names), s.Home.Namespace)
}

// adviseOnKept says what a person should know about the LongLived tokens of a login.
func (s *session) adviseOnKept(l *login, superseded string) []string {
	var advice []string
	if superseded != "" {
		advice = append(advice, superseded)
	}
	if unused := s.expiringUnused(l); len(unused) > 0 {
		advice = append(advice, fmt.Sprintf("service account %q names %s in its list of secrets, so the cluster revokes what nobody uses for a year: take it off that list",
			l.Account, listSecrets(unused)))
	}
	return advice
}

// expiringUnused are the LongLived tokens that the cluster revokes when nobody uses them for a year: those that the service account
// lists. The operator never lists a token there, and does not change the list.
func (s *session) expiringUnused(l *login) []string {
	account := s.accounts[l.Account]
	if account == nil {
		return nil
	}
	var names []string
	for _, secret := range s.boundSecrets(l) {
		listed := slices.ContainsFunc(account.Secrets, func(ref corev1.ObjectReference) bool { return ref.Name == secret.Name })
		if listed && typeOf(secret) == edgev1.TokenLongLived {
			names = append(names, secret.Name)
		}
	}
	return names
}

// listSecrets names Secrets for a message, the oldest first. It counts those that do not fit.
func listSecrets(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("the Secrets %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if len(names) == 1 {
		return "the Secret " + names[0]
	}
	return "the Secrets " + strings.Join(names, ", ")
}
