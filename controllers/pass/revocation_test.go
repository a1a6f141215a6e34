// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestParseRevocation(t *testing.T) {
	for text, want := range map[string]Revocation{
		"Puller/7":    {edgev1.TokenPuller, 7},
		"Publisher/1": {edgev1.TokenPublisher, 1},
		"":            {}, "Puller": {}, "Puller/": {}, "Puller/0": {}, "Puller/-1": {}, "Puller/+7": {}, "Puller/07": {}, "Puller/7/8": {}, "puller/7": {},
		"Puller/ 7": {}, "7": {}, "Pull/7": {}, "Puller/99999999999999999999": {}, "Puller/7,Publisher/7": {},
	} {
		t.Run(text, func(t *testing.T) {
			got, readable := ParseRevocation(text)
			NewWithT(t).Expect(got).To(Equal(want))
			NewWithT(t).Expect(readable).To(Equal(want != Revocation{}))
		})
	}
}

func TestWhichLoginsNodesNeed(t *testing.T) {
	for name, test := range map[string]struct {
		nodes Nodes
		read  *NodesRead
		need  bool
	}{
		"nothing is known yet":                      {Nodes{}, nil, true},
		"all have read the current one":             {Nodes{Generation: 8, Total: 4}, nil, false},
		"one is late":                               {Nodes{Generation: 8, Total: 4, Late: 1}, nil, true},
		"one is late, and had read one between":     {Nodes{Generation: 8, Total: 4, Late: 1}, &NodesRead{Generation: 7}, false},
		"one is late, and had read that very one":   {Nodes{Generation: 8, Total: 4, Late: 1}, &NodesRead{Generation: 6}, true},
		"of one it is not known":                    {Nodes{Generation: 8, Total: 4, Unknown: 1}, nil, true},
		"of none it can be known":                   {Nodes{Generation: 8, Total: 4, Unknown: 4, Partial: true}, nil, false},
		"of most it cannot be known, one is late":   {Nodes{Generation: 8, Total: 4, Unknown: 3, Late: 1, Partial: true}, nil, true},
		"the current one was not brought to anyone": {Nodes{Generation: 7, Total: 4}, &NodesRead{Generation: 6}, true},
		"after a restart, and a later one was read": {Nodes{}, &NodesRead{Generation: 7}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			edge := &edgev1.EdgeRegistry{Spec: edgev1.EdgeRegistrySpec{Exchanges: []edgev1.ExchangeSpec{{}}}}
			s := NewScope(edge, now, &Memory{})
			s.Nodes, s.Record.NodesRead, s.Puller.Credential.Generation = test.nodes, test.read, 8
			g.Expect(s.NodesNeed(&s.Puller, 6)).To(Equal(test.need))
			g.Expect(s.NodesNeed(&s.Publisher, 6)).To(BeFalse(), "nodes have no publisher's")
			g.Expect(s.Postponed(&s.Puller, 6, now)).To(BeFalse(), "its issuer has ended it")
			g.Expect(s.Next).To(BeZero())
			g.Expect(s.Postponed(&s.Puller, 6, now.Add(time.Minute))).To(Equal(test.need))
			if test.need {
				g.Expect(s.Next).To(Equal(now.Add(time.Minute)))
			}
			edge.Spec.Exchanges = nil
			g.Expect(s.NodesNeed(&s.Puller, 6)).To(BeFalse(), "there is no Exchange")
		})
	}
}
