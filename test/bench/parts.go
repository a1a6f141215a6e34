// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// plan is how much is measured.
type plan struct {
	// Singles is how many times one object is made, Rounds how many times what takes longer is done at most.
	Singles, Rounds int
	// Sizes are numbers of objects that are applied at once, Fanouts numbers of copies of one Secret.
	Sizes, Fanouts []int
	// Beside is how many Secrets of others the last copies are measured beside.
	Beside int
	// Before are binaries of managers of before, with a comma between, that take turns with this one where restarts are measured.
	Before string
	// Steady is how long the operator is watched at rest.
	Steady time.Duration
	// Foreign is how many Secrets are made that are none of the operator's business, and Calm how long it rests before
	// that: at rest Go returns memory for some minutes, since it collects garbage every two.
	Foreign int
	Calm    time.Duration
}

var (
	whole = plan{
		Singles: 15, Rounds: 5, Sizes: []int{10, 100, 500, 1000}, Fanouts: []int{100, 1000}, Beside: 10000,
		Steady: 10 * time.Minute, Foreign: 60000, Calm: 5 * time.Minute,
	}
	quick = plan{Singles: 2, Rounds: 1, Sizes: []int{3}, Fanouts: []int{2}, Beside: 20, Steady: 2 * time.Second, Foreign: 50, Calm: time.Second}
)

// pairs is how many times a burst of n objects is made by each side.
func (p plan) pairs(n int) int { return min(p.Rounds, max(1, 1000/n)) }

// parts are what can be measured alone, in a world of its own.
var parts = map[string]func(*bench, context.Context, *world) error{
	"heals": (*bench).heals, "copies": (*bench).copies, "anotherRegistry": (*bench).anotherRegistry,
	"restarts": (*bench).restarts,
}

// bench is one run.
type bench struct {
	plan   plan
	binary string
	say    func(format string, args ...any)
	report report
}

func (b *bench) run(ctx context.Context) error {
	began := time.Now()
	if err := b.inWorld(ctx, "one object", b.oneObject); err != nil {
		return err
	}
	for i, n := range b.plan.Sizes {
		last := i == len(b.plan.Sizes)-1
		if err := b.inWorld(ctx, fmt.Sprintf("%d objects", n), func(ctx context.Context, w *world) error {
			return b.burst(ctx, w, n, last)
		}); err != nil {
			return err
		}
	}
	b.report.Took = time.Since(began)
	return nil
}

// inWorld runs a part in a control plane of its own, with the operator running in it.
func (b *bench) inWorld(ctx context.Context, what string, part func(context.Context, *world) error) (err error) {
	b.say("%s: start a control plane and the operator", what)
	w, err := newWorld(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	if err := w.run(ctx, b.binary); err != nil {
		return err
	}
	if b.report.Empty == 0 {
		if err := pause(ctx, settling); err != nil {
			return err
		}
		if b.report.Empty, err = w.manager.kilobytes("VmRSS"); err != nil {
			return err
		}
	}
	// The first object has the registry exposed; whatever is measured finds it so.
	first := w.names("first", 1)
	if _, err := w.byOperator(ctx, first); err != nil {
		return err
	}
	if err := w.rest(ctx, first[0]); err != nil {
		return err
	}
	w.events = b.report.Install["create events"]
	if err := part(ctx, w); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// oneObject compares what is done for one object, by turns, and counts its requests.
func (b *bench) oneObject(ctx context.Context, w *world) error {
	var operator, direct, documented []time.Duration
	for i := range b.plan.Singles {
		at, err := w.audit.end()
		if err != nil {
			return err
		}
		name := w.names("edge", 1)
		took, err := w.byOperator(ctx, name)
		if err != nil {
			return err
		}
		operator = append(operator, took)
		if err := w.rest(ctx, name[0]); err != nil {
			return err
		}
		if i == 0 {
			if err := b.countOne(ctx, w, name, at); err != nil {
				return err
			}
		}
		if at, err = w.audit.end(); err != nil {
			return err
		}
		if took, err = w.byBare(ctx, w.names("twin", 1)); err != nil {
			return err
		}
		direct = append(direct, took)
		if b.report.Bare, err = w.audit.since(at, bareAgent); err != nil {
			return err
		}
		if took, err = w.documented(ctx, w.names("hand", 1)[0]); err != nil {
			return err
		}
		documented = append(documented, took)
	}
	b.report.compare("one object, applied to Ready", operator, direct, 1.1)
	b.report.compare("the same, against the documented commands", operator, documented, 0.25)
	b.report.compare("the bare client in the operator's place, against the documented commands", direct, documented, 0)
	return errors.Join(b.heals(ctx, w), b.copies(ctx, w), b.anotherRegistry(ctx, w))
}

// countOne counts the requests about one object until it rests, and those of one rotation.
func (b *bench) countOne(ctx context.Context, w *world, name []string, at int64) (err error) {
	if b.report.Install, err = w.audit.since(at, operatorAgent); err != nil {
		return err
	}
	w.events = b.report.Install["create events"]
	if at, err = w.audit.end(); err != nil {
		return err
	}
	if _, err := w.rotateByOperator(ctx, name); err != nil {
		return err
	}
	if err := w.rest(ctx, name[0]); err != nil {
		return err
	}
	b.report.Rotation, err = w.audit.since(at, operatorAgent)
	return err
}

// heals measures how soon each kind of object is back, each with an EdgeRegistry of its own: what somebody deletes again and
// again is repaired ten times, and then seldom.
func (b *bench) heals(ctx context.Context, w *world) error {
	for i, v := range victims("", "") {
		edge, copiedTo, err := w.withCopy(ctx)
		if err != nil {
			return err
		}
		if err := b.healing(v.what+" is back", func() (time.Duration, error) { return w.heal(ctx, edge, victims(edge, copiedTo)[i]) }); err != nil {
			return err
		}
	}
	edge, _, err := w.withCopy(ctx)
	if err != nil {
		return err
	}
	return b.healing("bound Secret, which revokes its token, has a successor", func() (time.Duration, error) { return w.revoke(ctx, edge) })
}

// healing reports the median of some repairs.
func (b *bench) healing(what string, heal func() (time.Duration, error)) error {
	var took []time.Duration
	for range b.plan.Rounds {
		t, err := heal()
		if err != nil {
			return err
		}
		took = append(took, t)
	}
	b.report.tell("a deleted "+what, milliseconds(median(took)))
	return nil
}

// withCopy makes an EdgeRegistry with one copy, at rest, and returns its name and where the copy is.
func (w *world) withCopy(ctx context.Context) (edge, copiedTo string, err error) {
	names := w.names("edge", 1)
	targets, err := w.targets(ctx, names[0], 1)
	if err != nil {
		return "", "", err
	}
	if _, err := w.byOperator(ctx, names); err != nil {
		return "", "", err
	}
	if _, err := w.copyTo(ctx, names[0], targets); err != nil {
		return "", "", err
	}
	return names[0], targets[0], w.rest(ctx, names[0])
}
