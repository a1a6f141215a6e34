// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"context"
	"fmt"
	"strings"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Cleanup removes the logins of an EdgeRegistry that is being deleted from the Exchange, before they are revoked.
func (d *Delivery) Cleanup(s *pass.Scope, whose exchange.Whose) pass.Cleanup {
	return pass.Cleanup{What: "take the logins out of the Exchange", Run: d.begin(s, whose).withdraw}
}

func (r *run) withdraw(ctx context.Context) error {
	// A login that people supply is not revoked, and what was never published is in no Exchange.
	if r.spec.DeletionPolicy == edgev1.ExchangeRetain || r.Puller.Supplied != "" || r.Record.Host == "" {
		return nil
	}
	r.Registry.Host = r.Record.Host
	left, err := r.takeOut(ctx)
	if err == nil {
		return nil
	}
	if waits := pass.UnlessAbandoned(r.Scope, err); waits != nil {
		return waits
	}
	_, _, message := pass.Verdict(err)
	r.Note(edgev1.ReasonLoginLeftBehind, fmt.Sprintf("logins that are revoked now may be left in the Exchange, in services with images below %s%s: %s",
		r.Registry.ImagePrefix(), left, message), nil)
	return nil
}

// takeOut removes our entries. With an error it says in which services some may be left, as far as that is known.
func (r *run) takeOut(ctx context.Context) (left string, err error) {
	to, err := r.connect(ctx)
	if err != nil {
		return "", err
	}
	report, err := to.syncer.Withdraw(ctx, to.client, r.wanted(to.login), r.whose)
	wrote := 0
	var late []string
	for _, o := range report.Services {
		wrote += o.Writes
		if o.State == exchange.Failed || o.State == exchange.Unsettled {
			late = append(late, text.Foreign(o.Service))
			if err == nil {
				err = o.Err
			}
		}
	}
	if wrote > 0 {
		r.Note(edgev1.ReasonLoginWithdrawn, fmt.Sprintf("took the logins out of Exchange %s: entries removed %d", to.login.Host(), wrote), nil)
	}
	if len(late) > 0 {
		left = ", such as " + strings.Join(late[:min(len(late), maxFailed)], ", ")
	}
	if err != nil {
		return left, explain(err)
	}
	return "", nil
}
