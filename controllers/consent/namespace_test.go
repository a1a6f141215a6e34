// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func TestWhichNamespaceIsTheSame(t *testing.T) {
	for name, tt := range map[string]struct {
		served map[string]types.UID
		accept string
		want   string
		lost   bool
	}{
		"it was never served":                       {nil, "", "", false},
		"it is the same as before":                  {map[string]types.UID{"plant": "new"}, "", "", false},
		"it is another":                             {map[string]types.UID{"plant": "old"}, "", "was deleted and made again since it was first used (UID old then, new now)", false},
		"it is another, and accepted":               {map[string]types.UID{"plant": "old"}, "plant/new", "", false},
		"it is accepted beside others":              {map[string]types.UID{"plant": "old"}, "ci/x, plant/new", "", false},
		"another of its name was accepted":          {map[string]types.UID{"plant": "old"}, "plant/older", "was deleted and made again", false},
		"another whose name begins so was accepted": {map[string]types.UID{"plant": "old"}, "plant-2/new", "was deleted and made again", false},
		"its name alone was accepted":               {map[string]types.UID{"plant": "old"}, "plant", "was deleted and made again", false},
		"nobody knows":                              {map[string]types.UID{"plant": ""}, "", "cannot be distinguished from another of its name, since the operator's record was lost (its UID is new)", false},
		"the record was lost":                       {nil, "", "cannot be distinguished from another of its name, since the operator's record was lost (its UID is new)", true},
		"the record was lost, and it is accepted":   {nil, "plant/new", "", true},
		"the record was lost, and made again":       {map[string]types.UID{"plant": "new"}, "", "", true},
		"nobody knows, and nothing was accepted":    {map[string]types.UID{"plant": ""}, "plant/", "cannot be distinguished", false},
		"nobody knows, and it is accepted":          {map[string]types.UID{"plant": ""}, "plant/new", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "factory", Annotations: map[string]string{edgev1.AcceptAnnotation: tt.accept}}}
			s := pass.NewScope(edge, time.Now(), &pass.Memory{})
			s.Record.Served, s.Record.Lost = tt.served, tt.lost
			err := SameNamespace(s, "namespace", "plant", "new")
			if tt.want == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(And(HavePrefix(`namespace "plant" `), ContainSubstring(tt.want), ContainSubstring(
				`'kubectl annotate edgeregistry factory --overwrite edge.open-horizon.io/accept=plant/new'`))))
			g.Expect(pass.AsBlocked(err)).To(And(HaveField("Reason", edgev1.ReasonNamespaceReplaced), HaveField("Stalled", true)))
		})
	}
}
