// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
)

var ends = metav1.Date(2026, time.May, 1, 8, 0, 0, 0, time.UTC)

func newRun(alive ...edgev1.CredentialStatus) *run {
	edge := &edgev1.EdgeRegistry{}
	s := pass.NewScope(edge, ends.Time, &pass.Memory{})
	for _, c := range alive {
		s.Puller.Alive = append(s.Puller.Alive, pass.Working{CredentialStatus: c})
	}
	return &run{Scope: s}
}

func TestTheMessageSaysWhetherTheLoginOfBeforeMayEnd(t *testing.T) {
	later := metav1.NewTime(ends.Add(30 * 24 * time.Hour))
	alive := []edgev1.CredentialStatus{
		{Generation: 6, ExpiresAt: &ends}, {Generation: 7, ExpiresAt: &later}, {Generation: 8, Current: true, ExpiresAt: &later}, {Generation: 5},
	}
	late := exchange.LateNode{ID: "plant/one"}
	for name, tt := range map[string]struct {
		nodes exchange.Nodes
		alive []edgev1.CredentialStatus
		want  string
	}{
		"before the first look": {exchange.Nodes{}, alive, "which nodes have read it is not known yet"},
		"all have read it":      {exchange.Nodes{Looked: true, Total: 4, Confirmed: 4}, alive, "all nodes that run these services (4) have read it, and need no earlier one"},
		"no node":               {exchange.Nodes{Looked: true}, alive, "no node ran these services when they were last looked at"},
		"not yet":               {exchange.Nodes{Looked: true, Total: 4, Confirmed: 3, Unknown: 1}, alive, "3 of 4 nodes have read it, and of the others it is not known yet"},
		"late": {exchange.Nodes{Looked: true, Total: 4, Confirmed: 2, Late: 1, Unknown: 1, Behind: []exchange.LateNode{late}}, alive,
			"1 of 4 nodes have not read it, and pull with an earlier one, of which login 6 ends first, on 2026-05-01T08:00:00Z: plant/one; of 1 more it is not known"},
		"late and failing": {exchange.Nodes{Looked: true, Total: 4, Late: 1, Behind: []exchange.LateNode{{ID: "plant/one", Failing: true}}}, nil,
			"1 of 4 nodes have not read it, and pull with an earlier one: plant/one (it could not load an image)"},
		"many are late": {exchange.Nodes{Looked: true, Total: 9, Late: 5, Behind: []exchange.LateNode{late, late, late, late, late}}, nil,
			"5 of 9 nodes have not read it, and pull with an earlier one: plant/one, plant/one, plant/one, and 2 more"},
		"late, to a plain user": {exchange.Nodes{Looked: true, Total: 2, Late: 1, Unknown: 1, View: exchange.OwnNodes, Behind: []exchange.LateNode{late}}, nil,
			"1 of 2 nodes have not read it, and pull with an earlier one: plant/one; of 1 more it is not known"},
		"a plain user": {exchange.Nodes{Looked: true, Total: 2, Unknown: 2, View: exchange.OwnNodes}, alive,
			"which nodes have read it cannot be known, since the user of the Exchange is no administrator of the organisation and sees 2 of them: let the earlier logins end by themselves, of which login 6 ends first, on 2026-05-01T08:00:00Z"},
		"public services": {exchange.Nodes{Looked: true, Total: 2, Unknown: 2, View: exchange.OneOrganization}, nil,
			"which nodes have read it cannot be known, since nodes of other organisations may run public services, and those of this one are 2: let the earlier logins end by themselves"},
		"they cannot be looked at": {exchange.Nodes{Err: errors.New("it is away")}, nil, "not all nodes could be looked at: it is away"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(newRun(tt.alive...).describeNodes(tt.nodes)).To(HaveExactElements(tt.want))
		})
	}
}

func TestTheStatusNamesTwentyLateNodes(t *testing.T) {
	g := NewWithT(t)
	nodes := exchange.Nodes{Looked: true, Total: 40, Late: 30, Unknown: 10}
	for i := range 30 {
		nodes.Behind = append(nodes.Behind, exchange.LateNode{ID: fmt.Sprintf("plant/node-%02d", i), Heartbeat: ends.Time})
	}
	nodes.Behind[0] = exchange.LateNode{ID: "plant/\x1b[31mred\n"}
	status := nodesStatus(nodes)
	g.Expect([]int32{status.Total, status.Confirmed, status.Late, status.Unknown}).To(Equal([]int32{40, 0, 30, 10}))
	g.Expect(status.LateNodes).To(HaveLen(maxLate))
	g.Expect(status.LateNodes[0].LastHeartbeat).To(BeNil())
	g.Expect(status.LateNodes[0].Node).NotTo(ContainSubstring("\x1b"))
	g.Expect(status.LateNodes[1].LastHeartbeat.Time).To(BeTemporally("==", ends.Time))
	g.Expect(nodesStatus(exchange.Nodes{})).To(BeNil(), "before they were looked at")
}

func TestTheStatusAnswersWhetherTheLoginOfBeforeMayEnd(t *testing.T) {
	for want, all := range map[edgev1.Answer][]exchange.Nodes{
		edgev1.AnswerYes: {{Total: 4, Confirmed: 4}, {}},
		edgev1.AnswerNo:  {{Total: 4, Confirmed: 3, Late: 1}, {Total: 4, Unknown: 3, Late: 1, View: exchange.OwnNodes}},
		edgev1.AnswerUnknown: {
			{Total: 4, Confirmed: 3, Unknown: 1}, {View: exchange.OwnNodes}, {Total: 1, Unknown: 1, View: exchange.OneOrganization},
			{Total: 4, Confirmed: 4, Err: errors.New("it is away")},
		},
	} {
		for _, nodes := range all {
			nodes.Looked = true
			NewWithT(t).Expect(nodesStatus(nodes).FormerMayEnd).To(Equal(want), "%+v", nodes)
		}
	}
}

func TestWhatAllNodesReadIsOfOneExchange(t *testing.T) {
	g := NewWithT(t)
	r := newRun()
	here, there := exchange.Login{Base: "https://a.example.com/v1", Org: "plant"}, exchange.Login{Base: "https://b.example.com/v1", Org: "plant"}
	read := ends.Add(123 * time.Nanosecond)
	r.noteRead(here, exchange.Nodes{})
	g.Expect(r.Record.NodesRead).To(BeNil())
	r.noteRead(here, exchange.Nodes{Read: read})
	g.Expect(r.nodesRead(there)).To(BeZero())
	g.Expect(r.nodesRead(exchange.Login{Base: here.Base, Org: "other"})).To(BeZero())
	g.Expect(r.nodesRead(here)).To(BeTemporally("==", read))
	before := r.Record.NodesRead
	g.Expect(equality.Semantic.DeepEqual(before, &pass.NodesRead{Where: before.Where, Until: before.Until})).To(BeTrue(), "records are compared so")
	r.noteRead(here, exchange.Nodes{Read: read})
	g.Expect(r.Record.NodesRead).To(BeIdenticalTo(before), "at rest there is nothing to write")
}
