// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/consent"
)

// copies measures one object that is copied to many namespaces, at last beside Secrets that are none of its business.
func (b *bench) copies(ctx context.Context, w *world) error {
	for _, n := range b.plan.Fanouts {
		if err := b.fanOut(ctx, w, n, ""); err != nil {
			return err
		}
	}
	if err := w.foreign(ctx, b.plan.Beside); err != nil {
		return err
	}
	return b.fanOut(ctx, w, b.plan.Fanouts[len(b.plan.Fanouts)-1], fmt.Sprintf(", beside %d Secrets of others", b.plan.Beside))
}

// fanOut measures n copies made and changed, by turns with the bare client.
func (b *bench) fanOut(ctx context.Context, w *world, n int, where string) error {
	b.say("copies to %d namespaces%s", n, where)
	name := w.names("edge", 1)
	namespaces, err := w.targets(ctx, name[0], n)
	if err != nil {
		return err
	}
	if _, err := w.byOperator(ctx, name); err != nil {
		return err
	}
	if err := w.rest(ctx, name[0]); err != nil {
		return err
	}
	without, err := w.restarted(ctx, b.binary)
	if err != nil {
		return err
	}
	original := client.ObjectKey{Namespace: name[0], Name: name[0] + "-publish"}
	plain, err := w.newCopier(ctx, original, namespaces, false)
	if err != nil {
		return err
	}
	asking, err := w.newCopier(ctx, original, namespaces, true)
	if err != nil {
		return err
	}
	for _, act := range []struct {
		what     string
		operator func() (time.Duration, error)
		bare     func(*copier, context.Context) (time.Duration, error)
	}{
		{"made", func() (time.Duration, error) { return w.copyTo(ctx, name[0], namespaces) }, (*copier).make},
		{"changed, after a rotation", func() (time.Duration, error) { return w.rotateByOperator(ctx, name) }, (*copier).change},
	} {
		operator, err := w.costOf(act.operator)
		if err != nil {
			return err
		}
		afterwards, err := w.costOf(func() (time.Duration, error) { return 0, w.rest(ctx, name[0]) })
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%d copies of a Secret %s%s", n, act.what, where)
		for _, by := range []struct {
			*copier
			suffix string
			goal   float64
		}{{plain, "", 1.25}, {asking, ", by a client that asks for consent too", 0}} {
			bare, err := w.costOf(func() (time.Duration, error) { return act.bare(by.copier, ctx) })
			if err != nil {
				return err
			}
			b.report.compare(what+by.suffix, one(operator.took), one(bare.took), by.goal)
			b.report.compare(what+by.suffix+": CPU of the API server", one(operator.cpu), one(bare.cpu), by.goal)
		}
		b.report.tell(what+": CPU of the API server afterwards, for watches", seconds(afterwards.cpu))
	}
	with, err := w.restarted(ctx, b.binary)
	b.report.atMost(fmt.Sprintf("resident for each of %d copies%s", n, where), max(0, with-without)/n, 3)
	return err
}

func one(d time.Duration) []time.Duration { return []time.Duration{d} }

// cost is what something took, and what the API server spent on it.
type cost struct{ took, cpu time.Duration }

func (w *world) costOf(do func() (time.Duration, error)) (c cost, err error) {
	pid, err := w.control.ProcessID("kube-apiserver")
	if err != nil {
		return c, err
	}
	before, err := cpuOf(pid)
	if err != nil {
		return c, err
	}
	if c.took, err = do(); err != nil {
		return c, err
	}
	after, err := cpuOf(pid)
	c.cpu = max(after-before, time.Second/ticksPerSecond)
	return c, err
}

// targets makes namespaces that invite the operator to keep copies of an EdgeRegistry in them.
func (w *world) targets(ctx context.Context, edge string, n int) ([]string, error) {
	names := w.names("target", n)
	return names, each(ctx, appliers, names, func(ctx context.Context, name string) error {
		return errors.Join(
			w.api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}),
			w.api.Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: name, Name: "edge-registry-secrets", Annotations: map[string]string{edgev1.ForAnnotation: edge},
				},
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edge-registry-secrets"},
				Subjects: []rbacv1.Subject{{
					Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: "edge-registry-controller-manager",
				}},
			}))
	})
}

// copyTo has the publish Secret of an EdgeRegistry copied to the namespaces, and returns how long it
// takes until the last copy is there.
func (w *world) copyTo(ctx context.Context, name string, namespaces []string) (time.Duration, error) {
	done := func(edge *edgev1.EdgeRegistry) bool {
		return edge.Name == name && isReady(edge) && copied(edge, len(namespaces))
	}
	return w.untilAll(ctx, []string{name}, done, func(ctx context.Context, name string) error {
		edge := &edgev1.EdgeRegistry{}
		if err := w.api.Get(ctx, client.ObjectKey{Name: name}, edge); err != nil {
			return err
		}
		before := edge.DeepCopy()
		edge.Spec.Secrets.Publish.CopyTo = namespaces
		return w.api.Patch(ctx, edge, client.MergeFrom(before))
	})
}

// copied reports that the status counts so many copies of the publish Secret.
func copied(edge *edgev1.EdgeRegistry, n int) bool {
	for _, secret := range edge.Status.Secrets {
		if secret.Role == edgev1.SecretPublish {
			return secret.Copies != nil && int(secret.Copies.Synced) == n
		}
	}
	return false
}

// copier writes copies by the bare client, at the concurrency of the operator's.
type copier struct {
	*bare
	secret     *corev1.Secret
	namespaces []string
	// asks: it reads what the operator reads for consent. A second copier of one Secret writes others.
	asks bool
	// asOf is the version of the role bindings from which it reads them.
	asOf string
}

func (w *world) newCopier(ctx context.Context, original client.ObjectKey, namespaces []string, asks bool) (*copier, error) {
	b, err := newBare(w)
	if err != nil {
		return nil, err
	}
	c := &copier{bare: b, secret: &corev1.Secret{}, namespaces: namespaces, asks: asks}
	return c, w.api.Get(ctx, original, c.secret)
}

func (c *copier) in(namespace string) *corev1.Secret {
	name := "bare"
	if c.asks {
		name = "bare-asking"
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: c.secret.Labels, Annotations: c.secret.Annotations},
		Type:       c.secret.Type, Data: c.secret.Data,
	}
}

// inEach does something in each namespace, and returns how long that takes.
func (c *copier) inEach(ctx context.Context, do func(ctx context.Context, namespace string) error) (time.Duration, error) {
	began := time.Now()
	err := each(ctx, appliers, c.namespaces, do)
	return time.Since(began), err
}

// invited reads the role bindings of a namespace as the operator does, if this client asks for consent.
func (c *copier) invited(ctx context.Context, namespace string) error {
	if !c.asks {
		return nil
	}
	_, _, err := consent.Bindings(ctx, c.api, namespace, c.asOf)
	return err
}

// begin finds the version of the role bindings as of which all namespaces are read.
func (c *copier) begin(ctx context.Context) (err error) {
	if c.asks {
		_, c.asOf, err = consent.Bindings(ctx, c.api, c.namespaces[0], "")
	}
	return err
}

// make makes all copies.
func (c *copier) make(ctx context.Context) (time.Duration, error) {
	if err := c.begin(ctx); err != nil {
		return 0, err
	}
	return c.inEach(ctx, func(ctx context.Context, namespace string) error {
		if err := c.invited(ctx, namespace); err != nil {
			return err
		}
		if c.asks {
			if err := c.api.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{}); err != nil {
				return err
			}
		}
		return c.api.Create(ctx, c.in(namespace))
	})
}

// change brings each copy to what the original holds now, by the change that the operator sends.
func (c *copier) change(ctx context.Context) (time.Duration, error) {
	before := c.in("")
	if err := c.world.api.Get(ctx, client.ObjectKeyFromObject(c.secret), c.secret); err != nil {
		return 0, err
	}
	content, err := client.MergeFrom(before).Data(c.in(""))
	if err != nil {
		return 0, err
	}
	if err := c.begin(ctx); err != nil {
		return 0, err
	}
	patch := client.RawPatch(types.MergePatchType, content)
	return c.inEach(ctx, func(ctx context.Context, namespace string) error {
		if err := c.invited(ctx, namespace); err != nil {
			return err
		}
		return c.api.Patch(ctx, c.in(namespace), patch)
	})
}
