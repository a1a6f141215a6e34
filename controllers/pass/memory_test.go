// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestMemoriesAreOfOneUID(t *testing.T) {
	g := NewWithT(t)
	type part struct{ passes int }
	named := func(name string, uid types.UID) *edgev1.EdgeRegistry {
		return &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: name, UID: uid}}
	}
	var m Memories
	var forgotten []types.UID
	m.Forgotten = func(_ string, uid types.UID) { forgotten = append(forgotten, uid) }
	Part[part](m.Of(named("a", "1"))).passes = 3
	g.Expect(Part[part](m.Of(named("a", "1"))).passes).To(Equal(3))
	g.Expect(Part[part](m.Of(named("b", "2"))).passes).To(BeZero())
	g.Expect(Part[part](m.Of(named("a", "3"))).passes).To(BeZero(), "it was made again, and inherits nothing")
	g.Expect(forgotten).To(Equal([]types.UID{"1"}))
	m.Forget("b")
	g.Expect(forgotten).To(Equal([]types.UID{"1", "2"}))
	g.Expect(m.byUID).To(HaveLen(1))
	g.Expect(m.byName).To(HaveLen(1))
}
