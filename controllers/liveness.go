// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// weighRefusal looks into a failed trial. That the registry refuses a token kills none: it may be the
// registry's own trouble. But if the API server does not accept the token either, as when its signing
// key was replaced, the next pass issues another.
func (r *EdgeRegistryReconciler) weighRefusal(ctx context.Context, s *scope, l *login, trial error) error {
	var b *blocked
	if !errors.As(trial, &b) || b.reason != edgev1.ReasonCredentialRefused {
		return trial
	}
	dead, err := r.isDead(ctx, l.token.Token)
	if err != nil {
		return trial
	}
	if !dead {
		b.message += fmt.Sprintf("; but the API server accepts %s's token: look at the registry's pods", l.account)
		return trial
	}
	r.remember(s, l, func(m *memory) { m.refused = l.token.claims.AnchorUID })
	again := r.refusalPause(s, l, s.live.secrets[l.token.claims.AnchorName])
	s.due(again)
	when := "at once"
	if again.After(s.now) {
		when = "at " + again.UTC().Format(time.RFC3339)
	}
	b.message += fmt.Sprintf("; the API server does not accept %s's token either, and another is issued %s", l.account, when)
	return trial
}

// confirmRefused reports whether a token that the API server was seen to refuse is refused still and
// may be replaced for it.
func (r *EdgeRegistryReconciler) confirmRefused(ctx context.Context, s *scope, l *login, current issuedToken, anchor *corev1.Secret) (bool, error) {
	m := r.recall(s, l)
	if m.refused != current.claims.AnchorUID {
		return false, nil
	}
	// The pause is between mints; a token that waits to be published has been minted already.
	minted := m.unpublished != nil && m.unpublished.replaces == causeRefused
	if again := r.refusalPause(s, l, anchor); !minted && s.now.Before(again) {
		s.due(again)
		return false, nil
	}
	dead, err := r.isDead(ctx, current.Token)
	if err == nil && !dead {
		r.remember(s, l, func(m *memory) { m.refused = "" })
	}
	return dead, err
}

// knowsRefused reports whether one of the tokens is known to be refused and waits for its successor. What was verified
// before says nothing any more.
func (r *EdgeRegistryReconciler) knowsRefused(s *scope) bool {
	for _, l := range s.logins() {
		if uid := r.recall(s, l).refused; uid != "" && uid == l.token.claims.AnchorUID {
			return true
		}
	}
	return false
}

// refusalPause is when a login may be given another token because the API server refuses the one it
// has: whatever is wrong there, at most once in an interval of the verification. The anchor tells of
// the last time when the operator was restarted since.
func (r *EdgeRegistryReconciler) refusalPause(s *scope, l *login, anchor *corev1.Secret) time.Time {
	last := r.recall(s, l).refusalMintedAt
	if last.IsZero() && anchor != nil && anchor.Annotations[causeAnnotation] == causeRefused.name {
		last = anchor.CreationTimestamp.Time
	}
	if last.IsZero() {
		return s.now
	}
	return last.Add(s.edge.Spec.Verification.Interval.Duration)
}

// isDead asks the API server with a token, and nothing else, who it is. Only a clear refusal counts.
func (r *EdgeRegistryReconciler) isDead(ctx context.Context, token credential.Token) (bool, error) {
	config := rest.CopyConfig(r.anonymous)
	config.BearerToken = token.Reveal()
	asToken, err := client.New(config, client.Options{Scheme: r.Scheme(), Mapper: r.RESTMapper()})
	if err != nil {
		return false, fmt.Errorf("prepare to ask the API server about a token: %w", err)
	}
	err = asToken.Create(ctx, &authenticationv1.SelfSubjectReview{})
	if apierrors.IsUnauthorized(err) {
		return true, nil
	}
	if err != nil && !apierrors.IsForbidden(err) {
		return false, fmt.Errorf("ask the API server about a token: %w", err)
	}
	return false, nil
}

// withoutCredentials is a config for the same API server that carries no identity.
func withoutCredentials(config *rest.Config) *rest.Config {
	anonymous := rest.AnonymousClientConfig(config)
	anonymous.WrapTransport = config.WrapTransport
	return anonymous
}
