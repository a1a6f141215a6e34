// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// gone: the service has left while the pass was on.
const gone State = ""

// isSettled reports whether nothing can have changed in a service that is as it was left. What was read while it had just
// changed is read once more, with the next list.
func (p *pass) isSettled(k seen) bool {
	return p.begun.Sub(k.readAt) < readAgain && (k.readAt.Sub(k.since) >= quiet || !p.listed.After(k.readAt))
}

// isUnchanged reports whether a service is as it was left: it has its time, or the marker of the touch.
func (p *pass) isUnchanged(s Service, k seen) bool {
	if k.marker != "" {
		m := s.marker()
		return m.At == k.marker && m.UID == p.wanted.Marker.UID
	}
	return k.updated.Equal(s.Updated)
}

// settle brings one service to hold our login once. Its touch, if it is owed one, comes later.
func (p *pass) settle(ctx context.Context, s Service, o *Outcome) {
	if skip := p.wanted.skips(s); skip != "" {
		o.State, o.Skip = Skipped, skip
		return
	}
	k, known := p.known[s.ID]
	unchanged := known && p.isUnchanged(s, k)
	settled := unchanged && p.isSettled(k)
	postponed := !settled && p.postpones(s, slow/2)
	switch {
	case settled, unchanged && postponed:
		*o = k.outcome
		o.Writes, o.Touched, o.Publishers = 0, false, nil
		p.again(s.ID, k)
		return
	case postponed:
		o.Err = errNextPass
		return
	}
	found, err := p.read(ctx, s.ID, o)
	if err != nil {
		p.failed(o, err)
		return
	}
	plan := Decide(p.wanted, p.self, s, found)
	if plan.Skip == "" && (len(plan.Writes) > 0 || owesTouch(s, plan.Ours, false)) {
		var there bool
		if s, there, err = p.current(ctx, s.ID); err != nil {
			p.failed(o, err)
			return
		}
		if !there {
			o.State = gone
			return
		}
		// What the newer list says of the service may be another thing.
		if skip := p.wanted.skips(s); skip != "" {
			o.State, o.Skip = Skipped, skip
			return
		}
		plan = Decide(p.wanted, p.self, s, found)
	}
	p.apply(ctx, s, o, plan, found)
}

// again keeps what is known of a service that was not read.
func (p *pass) again(id string, k seen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked[id] = k
}

// read reads the entries of a service and finds what each is.
func (p *pass) read(ctx context.Context, id string, o *Outcome) ([]Found, error) {
	entries, err := p.client.Entries(ctx, id)
	if err != nil {
		return nil, err
	}
	found, err := Classify(ctx, p.wanted, entries, p.whose)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", id, err)
	}
	o.note(found)
	return found, nil
}

// apply does what is planned, reads again what came of it, and finds whether a touch is owed.
func (p *pass) apply(ctx context.Context, s Service, o *Outcome, plan Plan, found []Found) {
	if plan.Skip != "" {
		o.State, o.Skip = Skipped, plan.Skip
		p.keep(s, o, "")
		return
	}
	wrote := len(plan.Writes) > 0
	if wrote {
		for _, f := range found {
			if f.Class == OursPublisher {
				o.Publishers = append(o.Publishers, f.ID)
			}
		}
		if _, err := p.write(ctx, s.ID, o, plan.Writes); err != nil {
			p.failed(o, err)
			return
		}
		again, err := p.read(ctx, s.ID, o)
		if err != nil {
			p.failed(o, err)
			return
		}
		plan = Decide(p.wanted, p.self, s, again)
	}
	o.InWay, o.Ours, o.written = plan.InWay, 0, time.Time{}
	if plan.Ours != nil {
		o.Ours, o.written = plan.Ours.ID, plan.Ours.Updated
	}
	// Where it is not as it was left, somebody wrote in between. The next pass sees to it.
	o.contended = len(plan.Writes) > 0
	if owesTouch(s, plan.Ours, wrote) {
		p.oweTouch(s)
		return
	}
	if !o.contended {
		o.State = Synced
		p.keep(s, o, "")
	}
}

// write makes the changes, in their order. What is said to be gone, missing is not nil then, is seen when the entries are read
// again.
func (p *pass) write(ctx context.Context, id string, o *Outcome, writes []Write) (missing, err error) {
	w := p.wanted
	for _, write := range writes {
		var err error
		switch write.Verb {
		case Add:
			err = p.client.Add(ctx, id, w.Host, w.User, w.Token)
		case Update:
			err = p.client.Update(ctx, id, write.ID, w.Host, w.User, w.Token)
		case Remove:
			err = p.client.Remove(ctx, id, write.ID)
		}
		if err != nil && (write.Verb == Add || !IsKind(err, NotFound)) {
			return nil, err
		}
		missing = cmp.Or(missing, err)
		o.Writes++
	}
	return missing, nil
}

// oweTouch notes that a service is owed a touch.
func (p *pass) oweTouch(s Service) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touches = append(p.touches, s)
}

// touch has nodes read the service's logins again.
func (p *pass) touch(ctx context.Context, s Service, o *Outcome) {
	if p.postpones(s, slow) {
		o.Err = errNextPass
		return
	}
	m := p.wanted.Marker
	m.At = stampNow(p.exchanges.now())
	if err := p.client.Touch(ctx, s, &m); err != nil {
		p.failed(o, err)
		return
	}
	o.Touched = true
	if !o.contended {
		o.State = Synced
		p.keep(s, o, m.At)
	}
}
