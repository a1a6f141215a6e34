// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const (
	// retryRefused is how long a refusal is left alone: the Exchange keeps what it knows of users and owners for 90 minutes,
	// and counts each attempt.
	retryRefused = 15 * time.Minute
	// maxFailed is how many services the status lists, and maxTold how many a message names.
	maxFailed, maxTold = 20, 3
)

// reasons are those of the condition, by what failed.
var reasons = map[exchange.Kind]string{
	exchange.Unresolvable: edgev1.ReasonExchangeUnreachable,
	exchange.Unreachable:  edgev1.ReasonExchangeUnreachable,
	exchange.Untrusted:    edgev1.ReasonExchangeUntrusted,
	exchange.Unavailable:  edgev1.ReasonExchangeUnavailable,
	exchange.Refused:      edgev1.ReasonExchangeLoginRefused,
	exchange.Denied:       edgev1.ReasonExchangeLoginRefused,
	exchange.NotFound:     edgev1.ReasonExchangeUnexpected,
	exchange.Conflict:     edgev1.ReasonExchangeUnexpected,
	exchange.Invalid:      edgev1.ReasonExchangeUnexpected,
	exchange.Unexpected:   edgev1.ReasonExchangeUnexpected,
}

// explain says why the Exchange could not be used, and when it is asked again.
func explain(err error) error {
	var failure *exchange.Error
	if !errors.As(err, &failure) {
		return err
	}
	b := pass.Waiting(reasons[failure.Kind], "%s", failure.Error())
	b.Stalled = b.Reason == edgev1.ReasonExchangeLoginRefused
	b.Remote, b.Retry = true, patience(failure)
	return b
}

// patience is for how long to leave the Exchange alone after a failure, at least.
func patience(failure *exchange.Error) time.Duration {
	if failure.Kind == exchange.Refused || failure.Kind == exchange.Denied {
		return retryRefused
	}
	return failure.RetryAfter
}

// describe puts into the status what the Exchange holds.
func (r *run) describe(report exchange.Report) {
	synced, total := report.Count()
	status := &edgev1.ExchangeStatus{Services: int32(total), Synced: int32(synced), Nodes: nodesStatus(report.Nodes)} //nolint:gosec // An Exchange takes a thousand for each user.
	for _, o := range missed(report) {
		if len(status.Failed) == maxFailed {
			break
		}
		status.Failed = append(status.Failed, edgev1.FailedService{Service: text.Foreign(o.Service), Message: text.OneLine(why(o))})
	}
	r.Edge.Status.Exchange = status
}

// missed are the services that have not got what they should have.
func missed(report exchange.Report) []exchange.Outcome {
	return slices.DeleteFunc(slices.Clone(report.Services), func(o exchange.Outcome) bool {
		return o.State == exchange.Synced || o.State == exchange.Skipped
	})
}

func why(o exchange.Outcome) string {
	if o.Err != nil {
		return o.Err.Error()
	}
	return "it was changed by somebody else meanwhile: it is looked at again"
}

// failed is what holds up the delivery, or nil. Where each service is one that a person has to do something about, it stalls.
func (r *run) failed(login exchange.Login, report exchange.Report) error {
	var told []string
	stalled, remote, retry := true, true, retryRefused
	late := missed(report)
	for _, o := range late {
		var failure *exchange.Error
		if errors.As(o.Err, &failure) {
			retry = min(retry, patience(failure))
		} else {
			// Somebody else wrote it, and the Exchange answers.
			remote, retry = false, 0
		}
		stalled = stalled && exchange.IsKind(o.Err, exchange.Denied)
		if len(told) < maxTold {
			told = append(told, text.Foreign(o.Service)+": "+why(o))
		}
	}
	if len(late) == 0 {
		return nil
	}
	if more := len(late) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	_, total := report.Count()
	b := pass.Waiting(edgev1.ReasonServicesPending, "Exchange %s lacks the current login in %d of %d services: %s",
		login.Host(), len(late), total, strings.Join(told, "; "))
	if stalled {
		b.Reason, b.Stalled = edgev1.ReasonServicesFailed, true
	}
	b.Remote, b.Retry = remote, retry
	return b
}

// delivered says what the Exchange holds, and what a person should know of.
func (r *run) delivered(login exchange.Login, report exchange.Report) pass.Done {
	place := fmt.Sprintf("organisation %s in Exchange %s", login.Org, login.Host())
	if len(report.Services) == 0 {
		return pass.DoneBecause(edgev1.ReasonNoServices, "no service of %s has an image below %s: publish one, and it gets the login", place, r.Registry.ImagePrefix())
	}
	_, total := report.Count()
	message := []string{fmt.Sprintf("login %d of %s is in every service of %s that is to have it (%d)",
		r.Puller.Credential.Generation, r.Puller.Account, place, total)}
	message = append(message, r.describeNodes(report.Nodes)...)
	message = append(message, skipped(report)...)
	warnings := warn(report)
	if report.Nodes.Late > 0 {
		return pass.DoneBecause(edgev1.ReasonNodesLate, "%s", strings.Join(append(message, warnings...), "; "))
	}
	if len(warnings) > 0 {
		return pass.DoneBecause(edgev1.ReasonDeliveredWithWarnings, "%s", strings.Join(append(message, warnings...), "; "))
	}
	return pass.DoneBecause(edgev1.ReasonDelivered, "%s", strings.Join(message, "; "))
}

// skipped says which services get nothing, and why.
func skipped(report exchange.Report) []string {
	counts := map[exchange.Skip]int{}
	for _, o := range report.Services {
		counts[o.Skip]++
	}
	var all []string
	for _, s := range []struct {
		skip exchange.Skip
		text string
	}{
		{exchange.PublicService, "without it: %d public, where every organisation could read it (publicServices: Include brings it there)"},
		{exchange.ClusterService, "without it: %d for clusters alone, whose nodes read no login there"},
		{exchange.OthersService, "without it: %d of other users"},
	} {
		if n := counts[s.skip]; n > 0 {
			all = append(all, fmt.Sprintf(s.text, n))
		}
	}
	return all
}

// warn names the entries of others that stand in the way of nodes, or are of no use to anybody.
func warn(report exchange.Report) []string {
	var all []string
	for _, o := range report.Services {
		if o.State != exchange.Synced {
			continue
		}
		for _, w := range []struct {
			ids  []int
			text string
		}{
			{o.InWay, "nodes try the logins %s of others in service %s first, half a minute each if it is refused"},
			{o.Misfiled, "no node ever uses the logins %s in service %s, whose registry is not written as the image has it"},
			{o.Contested, "the logins %s in service %s are of this cluster's accounts, and not issued by this operator: is there a copy of this cluster?"},
		} {
			if len(w.ids) > 0 {
				all = append(all, fmt.Sprintf(w.text+": where nobody needs them, run 'hzn exchange service removeauth %s ID'",
					strings.Trim(fmt.Sprint(w.ids), "[]"), text.Foreign(o.Service), text.Foreign(o.Service)))
			}
		}
	}
	if len(all) > maxTold {
		all = append(all[:maxTold], fmt.Sprintf("and %d more like these", len(all)-maxTold))
	}
	return all
}

// noteActs reports what was written.
func (r *run) noteActs(login exchange.Login, report exchange.Report) {
	wrote, touched := 0, 0
	var pushers []string
	for _, o := range report.Services {
		if o.Writes > 0 {
			wrote++
		}
		if o.Touched {
			touched++
		}
		if len(o.Publishers) > 0 {
			pushers = append(pushers, text.Foreign(o.Service))
		}
	}
	if wrote+touched > 0 {
		r.Note(edgev1.ReasonLoginDelivered, fmt.Sprintf("brought login %d of %s to Exchange %s: services written %d, touched so that nodes read it %d",
			r.Puller.Credential.Generation, r.Puller.Account, login.Host(), wrote, touched), nil)
	}
	if len(pushers) > 0 {
		r.Note(edgev1.ReasonPushLoginFound, fmt.Sprintf(
			"Exchange %s held a login that may push where every node could read it, in %s: it was replaced there by that of %s, and works until it is revoked or expires; set the annotation %s for another, then revoke it",
			login.Host(), some(pushers), r.Puller.Account, edgev1.RotateAnnotation), nil)
	}
	if len(report.Left) > 0 {
		var left []string
		for _, o := range report.Left {
			left = append(left, fmt.Sprintf("%s %d", text.Foreign(o.Service), o.Ours))
		}
		// Told once, and not in the condition: after a restart nobody could say it again.
		r.Note(edgev1.ReasonServiceLeft, fmt.Sprintf(
			"in Exchange %s these services have no image below %s any more, and keep a login that is renewed there no longer: to take it out, run 'hzn exchange service removeauth' with each: %s",
			login.Host(), r.Registry.ImagePrefix(), some(left)), nil)
	}
}

// some are the first few of what there is, and how many there are besides.
func some(all []string) string {
	told := all[:min(len(all), maxTold)]
	if more := len(all) - len(told); more > 0 {
		told = append(slices.Clone(told), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(told, ", ")
}
