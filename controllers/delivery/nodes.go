// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"slices"
	"time"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// maxLate is how many late nodes the status lists.
const maxLate = 20

// placeOf identifies an organisation of an Exchange in the record.
func placeOf(login exchange.Login) string { return login.Base + "/orgs/" + login.Org }

// onRecord is what the record says about the nodes there.
func (r *run) onRecord(login exchange.Login) pass.NodesRead {
	if known := r.Record.NodesRead; known != nil && known.Where == placeOf(login) {
		return *known
	}
	return pass.NodesRead{Where: placeOf(login)}
}

// nodesRead is exchange.Nodes.Read on record; zero if unknown.
func (r *run) nodesRead(login exchange.Login) time.Time {
	until, _ := time.Parse(time.RFC3339Nano, r.onRecord(login).Until)
	return until
}

// noteRead records what all nodes have read, so that the next process need not have them read it again.
func (r *run) noteRead(login exchange.Login, nodes exchange.Nodes) {
	if nodes.Read.IsZero() || nodes.Read.Equal(r.nodesRead(login)) {
		return
	}
	read := r.onRecord(login)
	read.Until = nodes.Read.UTC().Format(time.RFC3339Nano)
	r.Record.NodesRead = &read
}

// noteNodes keeps what this pass found out about nodes for the steps that end logins, and records which login all nodes have read.
// Nothing is known if a service lacks the login, or if not all nodes could be read.
func (r *run) noteNodes(to *connection, report exchange.Report) {
	nodes := report.Nodes
	to.nodes = pass.Nodes{}
	held := slices.ContainsFunc(report.Services, func(o exchange.Outcome) bool { return o.Ours != 0 })
	if len(missed(report)) == 0 && nodes.Err == nil && (nodes.Looked || !held) {
		to.nodes = pass.Nodes{
			Generation: r.Puller.Credential.Generation, Total: nodes.Total, Late: nodes.Late, Unknown: nodes.Unknown,
			Partial: nodes.View != exchange.AllNodes,
		}
		for _, n := range nodes.Behind[:min(len(nodes.Behind), maxLate)] {
			to.nodes.Names = append(to.nodes.Names, text.Foreign(n.ID))
		}
	}
	r.Nodes = to.nodes
	if read := r.onRecord(to.login); r.Nodes.AllRead() && read.Generation != r.Nodes.Generation {
		read.Generation = r.Nodes.Generation
		r.Record.NodesRead = &read
	}
}

// nodesStatus is what is known about nodes, for the status; nil before anything is.
func nodesStatus(nodes exchange.Nodes) *edgev1.ExchangeNodes {
	if !nodes.Looked {
		return nil
	}
	status := &edgev1.ExchangeNodes{
		Total: count(nodes.Total), Confirmed: count(nodes.Confirmed), Late: count(nodes.Late), Unknown: count(nodes.Unknown),
		FormerMayEnd: formerMayEnd(nodes),
	}
	for _, n := range nodes.Behind[:min(len(nodes.Behind), maxLate)] {
		status.LateNodes = append(status.LateNodes, edgev1.LateNode{Node: text.Foreign(n.ID), LastHeartbeat: pass.StatusTime(n.Heartbeat)})
	}
	return status
}

func formerMayEnd(nodes exchange.Nodes) edgev1.Answer {
	switch {
	case nodes.Late > 0:
		return edgev1.AnswerNo
	case nodes.View != exchange.AllNodes || nodes.Unknown > 0 || nodes.Err != nil:
		return edgev1.AnswerUnknown
	default:
		return edgev1.AnswerYes
	}
}

func count(n int) int32 { return int32(min(n, 1<<30)) } //nolint:gosec // It is bounded.

// describeNodes says whether the logins before the current one may end.
func (r *run) describeNodes(nodes exchange.Nodes) []string {
	var clauses []string
	switch {
	case nodes.Looked:
		clauses = append(clauses, r.judged(nodes))
	case nodes.Err == nil:
		clauses = append(clauses, "which nodes have read it is not known yet")
	}
	if nodes.Err != nil {
		clauses = append(clauses, "not all nodes could be looked at: "+nodes.Err.Error())
	}
	return clauses
}

func (r *run) judged(nodes exchange.Nodes) string {
	switch {
	case nodes.Late > 0:
		return fmt.Sprintf("%d of %d nodes have not read it, and pull with an earlier one%s: %s%s",
			nodes.Late, nodes.Total, r.until(), some(lateNodes(nodes)), unknownBesides(nodes))
	case nodes.View == exchange.OwnNodes:
		return fmt.Sprintf("which nodes have read it cannot be known, since the user of the Exchange is no administrator of the organisation and sees %d of them: let the earlier logins end by themselves%s",
			nodes.Total, r.until())
	case nodes.View == exchange.OneOrganization:
		return fmt.Sprintf("which nodes have read it cannot be known, since nodes of other organisations may run public services, and those of this one are %d: let the earlier logins end by themselves%s",
			nodes.Total, r.until())
	case nodes.Unknown > 0:
		return fmt.Sprintf("%d of %d nodes have read it, and of the others it is not known yet", nodes.Confirmed, nodes.Total)
	case nodes.Total == 0:
		return "no node ran these services when they were last looked at"
	default:
		return fmt.Sprintf("all nodes that run these services (%d) have read it, and need no earlier one", nodes.Total)
	}
}

func lateNodes(nodes exchange.Nodes) []string {
	var all []string
	for _, n := range nodes.Behind {
		name := text.Foreign(n.ID)
		if n.Failing {
			name += " (it could not load an image)"
		}
		all = append(all, name)
	}
	return all
}

func unknownBesides(nodes exchange.Nodes) string {
	if nodes.Unknown == 0 {
		return ""
	}
	return fmt.Sprintf("; of %d more it is not known", nodes.Unknown)
}

// until says when the first of the earlier logins ends, if that is known.
func (r *run) until() string {
	var first *pass.Working
	for i := range r.Puller.Alive {
		c := &r.Puller.Alive[i]
		if !c.Current && c.ExpiresAt != nil && (first == nil || c.ExpiresAt.Before(first.ExpiresAt)) {
			first = c
		}
	}
	if first == nil {
		return ""
	}
	return fmt.Sprintf(", of which login %d ends first, on %s", first.Generation, pass.Timestamp(first.ExpiresAt.Time))
}
