// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// settling is how long a manager that has looked at everything is left alone before it is weighed.
const settling = 5 * time.Second

// burst applies n objects at once, by turns with the bare client, and measures what they cost to keep.
func (b *bench) burst(ctx context.Context, w *world, n int, last bool) error {
	var operator, direct []time.Duration
	var names, twins []string
	p := point{N: n}
	for i := range b.plan.pairs(n) {
		b.say("%d objects at once, pair %d of %d", n, i+1, b.plan.pairs(n))
		names, twins = w.names("edge", n), w.names("twin", n)
		took, err := w.byOperator(ctx, names)
		if err != nil {
			return err
		}
		operator = append(operator, took)
		if i == 0 {
			if err := b.weigh(ctx, w, &p); err != nil {
				return err
			}
		}
		if took, err = w.byBare(ctx, twins); err != nil {
			return err
		}
		direct = append(direct, took)
	}
	goal := 0.0
	if n == 500 {
		goal = 1.15
	}
	p.Operator, p.Bare = median(operator), median(direct)
	b.report.compare(fmt.Sprintf("%d objects at once, all Ready", n), operator, direct, goal)
	b.report.Points = append(b.report.Points, p)
	if len(b.report.Points) == 1 {
		if err := b.strangers(ctx, w); err != nil {
			return err
		}
	}
	if !last {
		return nil
	}
	if err := b.rotationStorm(ctx, w, names, twins); err != nil {
		return err
	}
	if err := b.failOver(ctx, w); err != nil {
		return err
	}
	return b.steady(ctx, w)
}

// weigh notes what the burst took of the manager, and what a new one takes that only has to find
// everything as it should be.
func (b *bench) weigh(ctx context.Context, w *world, p *point) (err error) {
	if p.Peak, err = w.manager.kilobytes("VmHWM"); err != nil {
		return err
	}
	families, err := w.manager.metrics(ctx)
	if err != nil {
		return err
	}
	p.P50, p.P99 = passTime(families, 0.50), passTime(families, 0.99)
	if err := pause(ctx, settling); err != nil {
		return err
	}
	at, err := w.audit.end()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.restart(ctx, b.binary); err != nil {
		return err
	}
	p.Start = time.Since(began)
	if err := pause(ctx, settling); err != nil {
		return err
	}
	if p.Rest, err = w.manager.kilobytes("VmRSS"); err != nil {
		return err
	}
	if p.Watches, err = w.bareWatches(ctx); err != nil {
		return err
	}
	if families, err = w.manager.metrics(ctx); err != nil {
		return err
	}
	p.Heap = int(value(families, "go_memstats_heap_inuse_bytes") / 1024)
	sent, err := w.audit.since(at, operatorAgent)
	if err != nil {
		return err
	}
	p.StartWrites, p.StartMints = sent.writes(), sent.mints()
	return nil
}

// lookedAtAll waits until the manager has made a pass over each EdgeRegistry and has none to make. It asks seldom:
// the page of the metrics is long, and what the manager needs to write it would be weighed with the rest.
func (w *world) lookedAtAll(ctx context.Context) error {
	return pollEvery(ctx, time.Second, "the manager does not look at every EdgeRegistry", func(ctx context.Context) (bool, error) {
		families, err := w.manager.metrics(ctx)
		if err != nil {
			return false, err
		}
		return int(value(families, "controller_runtime_reconcile_total")) >= len(w.applied) &&
			value(families, "workqueue_depth") == 0 && value(families, "controller_runtime_active_workers") == 0, nil
	})
}

func (b *bench) rotationStorm(ctx context.Context, w *world, names, twins []string) error {
	b.say("rotation of %d objects at once", len(names))
	operator, err := w.rotateByOperator(ctx, names)
	if err != nil {
		return err
	}
	direct, err := w.rotateByBare(ctx, twins, 2)
	if err != nil {
		return err
	}
	b.report.compare(fmt.Sprintf("rotation of %d objects that are due together", len(names)), one(operator), one(direct), 0)
	return nil
}

// failOver starts a second manager, ends the first, and waits until the second has looked at everything.
func (b *bench) failOver(ctx context.Context, w *world) error {
	b.say("fail-over with %d objects", len(w.applied))
	if err := pause(ctx, settling); err != nil {
		return err
	}
	leader := w.manager
	if err := w.run(ctx, b.binary, "--leader-elect-retry-period=1s"); err != nil {
		return err
	}
	at, err := w.audit.end()
	if err != nil {
		return err
	}
	began := time.Now()
	leader.stop()
	if err := w.lookedAtAll(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	if err := pause(ctx, settling); err != nil {
		return err
	}
	sent, err := w.audit.since(at, operatorAgent)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("fail-over with %d objects", len(w.applied))
	b.report.tell(what+": the next replica has looked at all of them", seconds(took))
	b.report.count(what+": writes", sent.writes())
	b.report.count(what+": mints", sent.mints())
	return nil
}

// strangers weighs the manager before and after Secrets are made that are none of its business. It does so beside few
// objects: what many need to renew their watches meanwhile would outweigh what is looked for.
func (b *bench) strangers(ctx context.Context, w *world) error {
	b.say("%d Secrets of others, beside %d objects", b.plan.Foreign, len(w.applied))
	if err := w.restart(ctx, b.binary); err != nil {
		return err
	}
	if err := pause(ctx, b.plan.Calm); err != nil {
		return err
	}
	before, err := w.manager.kilobytes("VmRSS")
	if err != nil {
		return err
	}
	if err := w.foreign(ctx, b.plan.Foreign); err != nil {
		return err
	}
	if err := pause(ctx, settling); err != nil {
		return err
	}
	after, err := w.manager.kilobytes("VmRSS")
	b.report.Foreign, b.report.Strangers = b.plan.Foreign, max(0, after-before)
	return err
}

// steady watches the manager at rest.
func (b *bench) steady(ctx context.Context, w *world) error {
	b.say("%s at rest with %d objects", b.plan.Steady, len(w.applied))
	// After a start all tokens are reviewed, spread over ten seconds: that is no rest yet.
	if err := pause(ctx, 15*time.Second); err != nil {
		return err
	}
	before, err := w.manager.kilobytes("VmRSS")
	if err != nil {
		return err
	}
	at, err := w.audit.end()
	if err != nil {
		return err
	}
	used, err := w.manager.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := pause(ctx, b.plan.Steady); err != nil {
		return err
	}
	usedNow, err := w.manager.cpu()
	if err != nil {
		return err
	}
	after, err := w.manager.kilobytes("VmRSS")
	if err != nil {
		return err
	}
	if b.report.AtRest, err = w.audit.since(at, operatorAgent); err != nil {
		return err
	}
	rest := fmt.Sprintf("%s at rest with %d objects: ", time.Since(began).Round(time.Second), len(w.applied))
	b.report.count(rest+"writes", b.report.AtRest.writes())
	b.report.count(rest+"reads that are no watch", b.report.AtRest.reads())
	b.report.tell(rest+"CPU of one core", fmt.Sprintf("%.2f %%", 100*float64(usedNow-used)/float64(time.Since(began))))
	b.report.tell(rest+"resident before and after", megabytes(before)+", "+megabytes(after))
	return nil
}

// foreign makes Secrets in namespaces that the operator has nothing to do with.
func (w *world) foreign(ctx context.Context, n int) error {
	namespace := w.names("foreign", 1)[0]
	if err := w.api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	return each(ctx, appliers, w.names("secret", n), func(ctx context.Context, name string) error {
		return w.api.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"key": make([]byte, 1024)},
		})
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
