// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// A person ends one credential by an annotation. If it is the one in use, it is replaced first: that is a cause like others, which
// credentials.go handles. The rest is done once all steps have run: then the current credential is proven and published, and in its
// copies and the Exchange as far as these can be written. In each pass the issuer says which credentials work, and the progress is on
// record. So a revocation can be repeated after a crash, and is reported as what it was.

// isToRevoke reports whether a person wants the credential in use to end.
func (p *run) isToRevoke(l *pass.Login) bool {
	asked, open := p.RevocationAsked()
	return open && asked == pass.Revocation{Role: l.Role, Generation: l.Credential.Generation}
}

// answerRevocation does what the annotation requests, once, and says so in the status. Another value is another request, and without
// the annotation the last one is forgotten.
func (p *run) answerRevocation(ctx context.Context, result *pass.Result) {
	asked := p.Edge.Annotations[edgev1.RevokeAnnotation]
	if p.Record.Revoking.Asked != asked {
		p.Record.Revoking = pass.Revoking{Asked: asked}
	}
	if asked != "" && !p.Record.Revoking.Handled {
		if err := p.revoke(ctx, result); err != nil {
			notRevoked(p.Edge, result, asked, err)
		}
	}
	p.Edge.Status.LastHandledRevocation = ""
	if p.Record.Revoking.Handled {
		p.Edge.Status.LastHandledRevocation = asked
	}
}

// waits reports in Ready a revocation that has to wait. The owner of a namespace may be the cause, and benefit from it.
func waits(result *pass.Result, asked string) {
	if result.Pending == nil {
		return
	}
	pending := *result.Pending
	pending.Message = text.OneLine(fmt.Sprintf("%s; %s is not revoked before that: to end it at once, end it at its issuer", pending.Message, text.Foreign(asked)))
	result.Pending = &pending
}

// notRevoked reports a failed revocation like a failed step: Ready is not True, and it is retried.
func notRevoked(edge *edgev1.EdgeRegistry, result *pass.Result, asked string, err error) {
	status, reason, message := pass.Verdict(err)
	message = fmt.Sprintf("%s is not revoked yet: %s", text.Foreign(asked), message)
	result.Err = err
	pending := metav1.Condition{Type: edgev1.Ready, Status: status, Reason: reason, ObservedGeneration: edge.Generation}
	if result.Pending != nil {
		pending = *result.Pending
		message = pending.Message + "; " + message
	}
	pending.Message = text.OneLine(message)
	result.Pending = &pending
}

// revoke ends the requested credential, if it exists and another is in its place. A request that can never be fulfilled is answered
// once: nothing waits for a person who made a mistake.
func (p *run) revoke(ctx context.Context, result *pass.Result) error {
	asked, readable := p.RevocationAsked()
	if !readable {
		p.answerNothing("%q says no credential: write ROLE/GENERATION as status.credentials has them, such as %s/7",
			text.Foreign(p.Record.Revoking.Asked), edgev1.TokenPuller)
		return nil
	}
	l := p.LoginOf(asked.Role)
	if l == nil {
		p.answerNothing("this EdgeRegistry has no %s", asked.Role)
		return nil
	}
	if l.Supplied != "" {
		p.answerNothing("the operator did not make the login of the %s, and cannot end it: put another into %s, and once it is published end this one at the registry",
			asked.Role, l.Supplied)
		return nil
	}
	if result.Stopped != "" && result.Stopped != edgev1.ExchangeUpdated {
		// Its successor does not exist yet, and the condition says why.
		waits(result, p.Record.Revoking.Asked)
		return nil
	}
	return p.revokeOf(ctx, l, asked.Generation, result)
}

func (p *run) revokeOf(ctx context.Context, l *pass.Login, generation int64, result *pass.Result) error {
	at := slices.IndexFunc(l.Alive, func(w pass.Working) bool { return w.Generation == generation })
	if issued := p.Record.Unended(l.Role, generation, p.Now); at < 0 && issued != nil && issued.ID != l.Credential.ID {
		// Others can write where it is listed, or the issuer does not answer now: the record has its id.
		at = len(l.Alive)
		l.Alive = append(l.Alive, pass.Working{ID: issued.ID, CredentialStatus: edgev1.CredentialStatus{Role: l.Role, Generation: generation}})
	}
	switch {
	case at < 0 && p.Record.Revoking.Begun:
		// An earlier pass came this far and no further.
		p.answerRevoked(l, generation, result)
		return nil
	case at < 0:
		p.answerNothing("%s", p.whyNone(l, generation))
		return nil
	case l.Alive[at].Current && l.Credential.Fresh:
		p.answerNothing(neverWas, l.Role, generation)
		return nil
	case l.Alive[at].Current:
		// Its successor is not published yet, and CredentialsIssued says why.
		return nil
	}
	p.Record.Revoking.Begun = true
	if err := p.saveRecord(ctx, p.Scope); err != nil {
		return err
	}
	ended := pass.Credential{Identity: pass.Identity{ID: l.Alive[at].ID}, Generation: generation}
	if err := p.session.Revoke(ctx, l, ended); err != nil {
		return err
	}
	p.Record.End(ended.ID, p.Now)
	l.Alive = slices.Delete(l.Alive, at, at+1)
	p.describeCredentials()
	p.answerRevoked(l, generation, result)
	return nil
}

const neverWas = "there was no %s/%d yet when it was asked for: status.credentials lists those that work"

// whyNone says why there is no credential of a generation to revoke.
func (p *run) whyNone(l *pass.Login, generation int64) string {
	switch {
	case generation > max(p.Record.Highest(l.Role), l.Credential.Generation):
		return fmt.Sprintf(neverWas, l.Role, generation)
	case generation < p.Record.Lowest(l.Role):
		return fmt.Sprintf("%s/%d is on record no longer, and is not found among those that work: if its issuer has it, end it there", l.Role, generation)
	default:
		return fmt.Sprintf("%s/%d no longer works, as far as the operator knows: status.credentials lists those that work", l.Role, generation)
	}
}

// answerNothing reports that there is nothing to do for a request.
func (p *run) answerNothing(format string, args ...any) {
	p.Record.Revoking.Handled = true
	p.Note(edgev1.ReasonNothingRevoked, fmt.Sprintf("nothing is revoked for the annotation %s: ", edgev1.RevokeAnnotation)+fmt.Sprintf(format, args...), nil)
}

// answerRevoked reports the revoked credential, and the nodes that cannot pull until they have the new one.
func (p *run) answerRevoked(l *pass.Login, generation int64, result *pass.Result) {
	p.Record.Revoking.Handled = true
	message := fmt.Sprintf("%s is revoked, as the annotation %s asks; %d is in its place",
		l.Name(generation), edgev1.RevokeAnnotation, l.Credential.Generation)
	if result.Pending != nil {
		message += fmt.Sprintf(", but %s is %s (%s)", result.Pending.Type, result.Pending.Status, result.Pending.Reason)
	}
	if l.Role == edgev1.TokenPuller {
		message += "; " + p.leftBehind(l)
	}
	p.Note(edgev1.ReasonTokenRevoked, message, p.SecretOf(l))
}

// leftBehind names the nodes that cannot pull until they have the current login, as far as that is known.
func (p *run) leftBehind(l *pass.Login) string {
	const most = 5
	n := p.Nodes
	switch {
	case len(p.Edge.Spec.Exchanges) == 0:
		return "which nodes it leaves behind is unknown, since spec.exchanges names no Exchange: see that each gets the new one"
	case n.Generation != l.Credential.Generation:
		return "which nodes it leaves behind is unknown, since the Exchange was not seen to hold the new one and nodes to read it: see ExchangeUpdated"
	case n.Late > 0:
		names := n.Names[:min(len(n.Names), most)]
		left := fmt.Sprintf("it leaves behind nodes that have not read the new one (%d): %s", n.Late, strings.Join(names, ", "))
		if more := n.Late - len(names); more > 0 {
			left += fmt.Sprintf(", and %d more", more)
		}
		if n.Unknown > 0 {
			left += fmt.Sprintf("; of %d more it is unknown", n.Unknown)
		}
		return left
	case n.Partial:
		return fmt.Sprintf("which nodes it leaves behind is unknown, since the Exchange does not show all of them (it shows %d)", n.Total)
	case n.Unknown > 0:
		return fmt.Sprintf("of %d of %d nodes it is unknown yet whether they have read the new one: status.exchange.nodes says it within minutes", n.Unknown, n.Total)
	default:
		return fmt.Sprintf("it leaves no node behind: all that run the services (%d) have read the new one", n.Total)
	}
}
