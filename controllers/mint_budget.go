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

// wish is what people ask of the tokens from outside of the namespace of the Secrets, where nobody in it can write.
type wish struct {
	edge           types.UID
	generation     int64
	rotation, host string
	revocation     string
}

func (p *run) wish() wish {
	return wish{p.Edge.UID, p.Edge.Generation, p.Edge.Annotations[edgev1.RotateAnnotation], p.Registry.Host, p.Edge.Annotations[edgev1.RevokeAnnotation]}
}

// mayMint refuses to mint once more for what somebody does in the namespace of the Secrets each time. Nearly every cause is
// read there, from annotations and Secrets that all who may edit it can write. So a login is minted for once for each wish,
// and in the places of a renewal; all that goes beyond spends what a rival has of repairs, whatever else the pass has to
// change.
func (p *run) mayMint(l *pass.Login, why pass.Cause) error {
	if l.Supplied != "" || p.isWished(l) || p.isRenewal(l, why) {
		return nil
	}
	return objects.Spent(p.Scope, p.nameInHome(l), "has to be replaced again, because "+why.Text+p.alterer(why))
}

// countForMint counts a mint that was not asked for by anybody outside of the namespace of the Secrets.
func (p *run) countForMint(l *pass.Login, why pass.Cause) {
	switch {
	case l.Supplied != "", p.isRenewal(l, why):
	case p.isWished(l) && !(why.Undone && p.wasSettled):
		// What was taken away under the previous spec is a repair, also for a process that has just started.
	default:
		objects.CountRepair(p.Scope, p.nameInHome(l))
	}
}

// useUpWish has the next mint count.
func (p *run) useUpWish(l *pass.Login) { p.memory(l).answered = p.wish() }

// isWished reports that nothing was minted yet for what people ask for. So it is after a restart, too.
func (p *run) isWished(l *pass.Login) bool { return p.memory(l).answered != p.wish() }

// isRenewal reports that a token is due which the operator minted itself, by what it knew of it then. What a token in a Secret
// says of its life may be forged.
func (p *run) isRenewal(l *pass.Login, why pass.Cause) bool {
	return why.Name == pass.CauseDue.Name && l.Credential.Identity == p.memory(l).minted
}

// alterer says who altered the object that a cause was read from, if the API server noted that.
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

// nameInHome is what messages call what a login has, wherever that came from.
func (p *run) nameInHome(l *pass.Login) string {
	return fmt.Sprintf("the %s of %s in %s %q", p.Noun, l.Account, p.Home.Noun, p.Home.Namespace)
}
