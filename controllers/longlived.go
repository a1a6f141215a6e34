// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// invalidSinceLabel is put on a token Secret by kube-controller-manager when the Secret is in the list
// of its service account and nobody used the token for a year. From then on the API server refuses
// the token (kubernetes, pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go).
const invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since"

// tokenType is the type of token that a login is to have.
func (l *login) tokenType() edgev1.TokenType {
	if l.policy.Type == edgev1.TokenLongLived {
		return edgev1.TokenLongLived
	}
	return edgev1.TokenBound
}

// typeOf is the type of an anchor's token, by the type of the Secret, which nobody can alter.
func typeOf(anchor *corev1.Secret) edgev1.TokenType {
	if anchor.Type == corev1.SecretTypeServiceAccountToken {
		return edgev1.TokenLongLived
	}
	return edgev1.TokenBound
}

// keptToken is the token that the cluster keeps in an anchor; the zero one before it is there.
func keptToken(anchor *corev1.Secret) credential.Token {
	return credential.NewToken(string(anchor.Data[corev1.ServiceAccountTokenKey]))
}

// completed adds to the claims of a LongLived token what only its anchor knows.
func completed(claims credential.Claims, anchor *corev1.Secret) credential.Claims {
	if !claims.Expires() {
		claims.AnchorUID = anchor.UID
		claims.IssuedAt = anchor.CreationTimestamp.UTC()
	}
	return claims
}

func invalidated(anchor *corev1.Secret) bool {
	return anchor.Labels[invalidSinceLabel] != ""
}

// isPending reports an anchor whose LongLived token can still be published for a login: the cluster
// has yet to put it there, or has put there what it should.
func isPending(anchor *corev1.Secret, l *login) bool {
	if typeOf(anchor) != edgev1.TokenLongLived || wasPublished(anchor) || invalidated(anchor) || !anchor.DeletionTimestamp.IsZero() ||
		anchor.Annotations[corev1.ServiceAccountNameKey] != l.account {
		return false
	}
	token := keptToken(anchor)
	if token.IsZero() {
		return accountOf(anchor, l) == l.accountUID
	}
	claims, err := credential.ReadClaims(token)
	return err == nil && !claims.Expires() && claims.AnchorName == anchor.Name &&
		claims.ServiceAccount == l.account && claims.ServiceAccountUID == l.accountUID
}

// awaitToken returns an anchor with the token that kube-controller-manager puts into it, mostly within
// a fraction of a second.
func (r *EdgeRegistryReconciler) awaitToken(ctx context.Context, s *scope, l *login, anchor *corev1.Secret) (*corev1.Secret, error) {
	const patience = 3 * time.Second
	live := anchor
	err := wait.PollUntilContextTimeout(ctx, patience/30, patience, true, func(ctx context.Context) (bool, error) {
		if !keptToken(live).IsZero() {
			return true, nil
		}
		live = &corev1.Secret{}
		err := r.Get(ctx, client.ObjectKeyFromObject(anchor), live)
		if apierrors.IsNotFound(err) || (err == nil && live.UID != anchor.UID) {
			return false, waiting(edgev1.ReasonTokenPending, "%s was deleted before the cluster filled it: another is made", r.describe(anchor))
		}
		if err != nil {
			return false, fmt.Errorf("read %s: %w", r.describe(anchor), err)
		}
		return !keptToken(live).IsZero(), nil
	})
	var b *blocked
	switch {
	case err == nil:
		s.live.secrets[anchor.Name] = live
		return live, nil
	case wait.Interrupted(err) && ctx.Err() == nil:
		return nil, waiting(edgev1.ReasonTokenPending, "the cluster has not put a token for %s into %s yet: see whether kube-controller-manager works",
			l.account, r.describe(anchor))
	case errors.As(err, &b):
		r.useUpWish(s, l)
		delete(s.live.secrets, anchor.Name)
	}
	return nil, err
}

// superseded are the LongLived tokens of a login that go on working though another is current.
func (s *scope) superseded(l *login) []string {
	var names []string
	for _, anchor := range s.anchors(l) {
		if typeOf(anchor) == edgev1.TokenLongLived && anchor.UID != l.token.claims.AnchorUID && wasPublished(anchor) &&
			!invalidated(anchor) && accountOf(anchor, l) == l.accountUID {
			names = append(names, anchor.Name)
		}
	}
	return names
}

// adviseOnSuperseded says which LongLived tokens work besides the current one, and how they end.
func (s *scope) adviseOnSuperseded(l *login) string {
	names := s.superseded(l)
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; earlier tokens of %s that do not expire go on working: delete %s in project %q when no node needs them",
		l.account, listSecrets(names), s.project)
}

// adviseOnKept says what a person should know of the LongLived tokens of a login.
func (s *scope) adviseOnKept(l *login) []string {
	var advice []string
	if text := s.adviseOnSuperseded(l); text != "" {
		advice = append(advice, strings.TrimPrefix(text, "; "))
	}
	if doomed := s.doomed(l); len(doomed) > 0 {
		advice = append(advice, fmt.Sprintf("service account %q names %s in its list of secrets, so the cluster revokes what nobody uses for a year: take it off that list",
			l.account, listSecrets(doomed)))
	}
	return advice
}

// doomed are the LongLived tokens that the cluster revokes when nobody uses them for a year: those
// that the service account lists. The operator does not list them, and leaves the list to others.
func (s *scope) doomed(l *login) []string {
	account := s.live.accounts[l.account]
	if account == nil {
		return nil
	}
	var names []string
	for _, anchor := range s.anchors(l) {
		listed := slices.ContainsFunc(account.Secrets, func(ref corev1.ObjectReference) bool { return ref.Name == anchor.Name })
		if listed && typeOf(anchor) == edgev1.TokenLongLived {
			names = append(names, anchor.Name)
		}
	}
	return names
}

// listSecrets names Secrets, the oldest first, and not more than fit into a message.
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
