// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// wish is what people request of the tokens by means that nobody in the namespace of the Secrets can write.
type wish struct {
	edge           types.UID
	generation     int64
	rotation, host string
	revocation     string
}

func (p *run) wish() wish {
	return wish{p.Edge.UID, p.Edge.Generation, p.Edge.Annotations[edgev1.RotateAnnotation], p.Registry.Host, p.Edge.Annotations[edgev1.RevokeAnnotation]}
}

// mayMint returns an error if the limit on mints that others cause is reached. Nearly every cause is read in the namespace of the
// Secrets, from annotations and Secrets that everybody who may edit it can write. So each wish allows one mint for each login, and
// so does a renewal; any other mint counts against the same limit as repairs.
func (p *run) mayMint(l *pass.Login, why pass.Cause) error {
	if l.Supplied != "" || p.isWished(l) || p.isRenewal(l, why) {
		return nil
	}
	return objects.Spent(p.Scope, p.nameInHome(l), "has to be replaced again, because "+why.Text+p.alterer(why))
}

// countForMint counts a mint that nobody outside of the namespace of the Secrets requested.
func (p *run) countForMint(l *pass.Login, why pass.Cause) {
	switch {
	case l.Supplied != "", p.isRenewal(l, why):
	case p.isWished(l) && !(why.Undone && p.wasSettled):
		// Replacing what was deleted under the previous spec is a repair, also for a process that has just started.
	default:
		objects.CountRepair(p.Scope, p.nameInHome(l))
	}
}

// useUpWish makes the next mint count.
func (p *run) useUpWish(l *pass.Login) { p.memory(l).answered = p.wish() }

// isWished reports whether nothing was minted yet for the current wish. After a restart it is true once.
func (p *run) isWished(l *pass.Login) bool { return p.memory(l).answered != p.wish() }

// isRenewal reports whether the token that is due is one that this process minted, by the times that it had then. The times of a
// token in a Secret may be forged.
func (p *run) isRenewal(l *pass.Login, why pass.Cause) bool {
	return why.Name == pass.CauseDue.Name && l.Credential.Identity == p.memory(l).minted
}

// alterer names who altered the object that a cause was read from, if the API server recorded that.
func (p *run) alterer(why pass.Cause) string {
	shown, known := why.Seen.(client.Object)
	if !known {
		return ""
	}
	who := objects.LastRival(shown)
	if who == "" {
		return ""
	}
	return fmt.Sprintf(" (%s was last altered by %q)", p.Objects.Describe(p.Scope, shown), who)
}

// nameInHome is what messages call a login's credential and its Secret.
func (p *run) nameInHome(l *pass.Login) string {
	return fmt.Sprintf("the %s of %s in %s %q", p.Noun, l.Account, p.Home.Noun, p.Home.Namespace)
}
