// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func TestTheContestOverTheDefaultRoute(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(version string) *imageregistryv1.Config {
		return &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: "cluster", ResourceVersion: version}}
	}
	set := func(after time.Duration) *contest { return &contest{set: start.Add(-after)} }
	for name, tt := range map[string]struct {
		contest *contest
		now     time.Duration
		want    bool
	}{
		"never switched on":                 {&contest{}, 0, false},
		"switched on long ago":              {set(contestWindow), 0, false},
		"switched on a moment ago":          {set(contestWindow - time.Second), 0, true},
		"lost, before the pause is over":    {&contest{set: start, lost: start.Add(time.Minute)}, contestPause, true},
		"lost, when the pause is over":      {&contest{set: start, lost: start.Add(time.Minute)}, contestPause + time.Minute, false},
		"lost, by a clock that went back":   {&contest{set: start, lost: start}, -time.Hour, true},
		"switched on, by a clock gone back": {set(-time.Hour), 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.contest.check(at("7"), start.Add(tt.now))
			NewWithT(t).Expect(err != nil).To(Equal(tt.want), "%v", err)
		})
	}
	t.Run("a Config that was recreated ends it", func(t *testing.T) {
		g := NewWithT(t)
		c := set(0)
		g.Expect(c.check(at("7"), start)).NotTo(Succeed())
		again := at("8")
		again.UID = "another"
		g.Expect(c.check(again, start)).To(Succeed())
	})
	t.Run("a rival that gives the field up ends it", func(t *testing.T) {
		g := NewWithT(t)
		claimed := func(version string) *imageregistryv1.Config {
			config := at(version)
			config.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "argocd-controller", FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:defaultRoute":{}}}`)}}
			return config
		}
		c := set(0)
		g.Expect(c.check(claimed("7"), start)).To(MatchError(And(HavePrefix(`"argocd-controller" set spec.defaultRoute`),
			ContainSubstring("back to false: take"), ContainSubstring(`oc patch configs.imageregistry.operator.openshift.io cluster`))))
		g.Expect(c.check(claimed("8"), start)).NotTo(Succeed())
		g.Expect(c.check(at("9"), start)).To(Succeed())
		c.set = start
		g.Expect(c.check(at("10"), start)).NotTo(Succeed(), "taken out by nobody known: that they claim nothing says nothing")
		g.Expect(c.check(at("11"), start)).NotTo(Succeed())
	})
	t.Run("an old view of true does not end it", func(t *testing.T) {
		g := NewWithT(t)
		c := set(0)
		g.Expect(c.check(at("7"), start)).To(MatchError(And(ContainSubstring("was taken out"), ContainSubstring("set it to true"), Not(ContainSubstring("at :")))))
		c.settle(at("6"))
		g.Expect(c.check(at("7"), start)).NotTo(Succeed())
		c.settle(at("8"))
		g.Expect(c.check(at("9"), start)).To(Succeed())
	})
}

func TestAnOldViewOfTheConfigWritesNothing(t *testing.T) {
	g := NewWithT(t)
	live := &imageregistryv1.Config{ObjectMeta: metav1.ObjectMeta{Name: imageRegistryConfig}}
	live.Spec.DefaultRoute = true
	writes := 0
	cluster := fake.NewClientBuilder().WithScheme(apiserver.NewScheme()).WithObjects(live).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			writes++
			return nil
		},
	}).Build()
	edge := &edgev1.EdgeRegistry{Spec: edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}}}
	provider := &Provider{Config: Config{Connection: &apiserver.Connection{WithWatch: cluster}}}
	s := provider.begin(pass.NewScope(edge, time.Now(), &pass.Memory{}))
	s.config = live.DeepCopy()
	s.config.Spec.DefaultRoute = false
	// A contest that ended before the watch reported it has ended.
	live.ResourceVersion = "999"
	provider.contest.set, provider.contest.lost, provider.contest.version = s.Now, s.Now, "1"
	g.Expect(s.switchOn(t.Context())).To(Succeed())
	g.Expect(s.Wrote).To(BeFalse())
	g.Expect(writes).To(BeZero())
	g.Expect(provider.contest.lost.IsZero()).To(BeTrue())
}
