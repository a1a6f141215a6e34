// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import "context"

// Withdraw takes out every entry of ours in services with an image of the registry's, and touches these, for a login that is
// being revoked. Entries of others stay. A touch is also owed to a service that has a marker of ours and no entry, as after a
// crash between the two: the touch takes the marker out.
//
// It takes a new list, and for each service the entries, one removal for each of ours, and a touch. Once all is done it writes
// nothing. The error is as that of Sync.
func (s *Syncer) Withdraw(ctx context.Context, c *Client, w Wanted, whose Whose) (Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, slow*c.timeout, errSlow)
	defer cancel()
	s.known = nil
	p, listed, err := s.begin(ctx, c, w, whose, 0)
	if err != nil {
		return Report{}, err
	}
	p.each(ctx, p.concerned(listed), p.withdraw)
	p.announce(ctx, p.untouch)
	p.looked = nil
	return p.end()
}

// withdraw takes our entries out of one service.
func (p *pass) withdraw(ctx context.Context, s Service, o *Outcome) {
	found, err := p.read(ctx, s.ID, o)
	if err != nil {
		p.failed(o, err)
		return
	}
	writes := removals(found)
	missing, err := p.write(ctx, s.ID, o, writes)
	if err == nil && missing != nil {
		// That an entry is gone is believed only if the entries say so, too: nobody looks again, and the login is revoked.
		if found, err = p.read(ctx, s.ID, o); err == nil && len(removals(found)) > 0 {
			err = missing
		}
	}
	if err != nil {
		p.failed(o, err)
		return
	}
	o.State = Synced
	if uid := p.wanted.Marker.UID; len(writes) > 0 || uid != "" && s.marker().UID == uid {
		p.oweTouch(s)
	}
}

// removals take out what is ours.
func removals(found []Found) []Write {
	var writes []Write
	for _, f := range found {
		if f.Class.ours() {
			writes = append(writes, Write{Remove, f.ID})
		}
	}
	return writes
}

// untouch has nodes read the logins of a service again, and takes the marker out.
func (p *pass) untouch(ctx context.Context, s Service, o *Outcome) {
	if err := p.client.Touch(ctx, s, nil); err != nil {
		p.failed(o, err)
		return
	}
	o.Touched = true
}
