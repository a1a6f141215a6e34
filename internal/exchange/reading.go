// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import "time"

const (
	// touchLife is how long after a touch a heartbeat proves that the node read it. The Exchange keeps a change for an hour longer
	// (api.resourceChanges.ttl, 14400 s). A node that asks after that may miss the change.
	touchLife = 3 * time.Hour
	// margin is by how much a heartbeat has to be later than a touch to prove anything. A program that writes about a node moves its
	// heartbeat too, without reading changes. An agent asks at least this often (open-horizon/anax, config/constants.go).
	margin = 2 * time.Minute
	// patience is how long after a touch a node is not yet late: a node that asks has left a heartbeat by then.
	patience = 2 * margin
	// silence is for how long after a login was written services are touched again for nodes that do not ask. After that such a
	// node's service is only touched once the node asks.
	silence = 24 * time.Hour
	// share sets the pause between touches for nodes that ask: at least one part in eight of the time since the login was written.
	// That is every three hours in the first day, and about forty touches in two months.
	share = 8
)

// Reading is whether a node has read the current login of a service that it runs.
type Reading int

const (
	// Unknown: it is not known whether the node has read it.
	Unknown Reading = iota
	// Late: the node has not asked for changes since the service was touched, or it could not load an image of the service.
	Late
	// Confirmed: the node has dropped the previous login, and reads the current one at its next pull.
	Confirmed
)

// track is the last run of a node's heartbeats without a gap, as far as they were seen: between two of them there was never so much
// time that the node could miss a change.
type track struct{ since, last time.Time }

// see adds a heartbeat, and reports whether time went back, because the Exchange was restored or its clock was set.
func (t track) see(heartbeat time.Time) (track, bool) {
	switch {
	case heartbeat.IsZero():
		return track{}, false
	case heartbeat.Before(t.last):
		return track{heartbeat, heartbeat}, true
	case t.last.IsZero() || heartbeat.Sub(t.last) >= touchLife:
		return track{heartbeat, heartbeat}, false
	}
	return track{t.since, heartbeat}, false
}

// hasRead reports whether a node has read a change of that time. An agent's heartbeat comes from its request for changes. So a
// heartbeat after the change, and less than touchLife later, proves that the node read it, and so do all that follow without a gap.
//
// After a restore of the Exchange that is not enough: nodes ask for changes after a number that the older copy has not reached. Then
// bothSides demands a heartbeat before the change too.
func (t track) hasRead(changed time.Time, bothSides bool) bool {
	if changed.IsZero() || !t.last.After(changed.Add(margin)) {
		return false
	}
	if bothSides {
		return t.since.Before(changed)
	}
	return t.since.Before(changed.Add(touchLife))
}

// isLate reports whether a node had time to ask since a change, and did not.
func (t track) isLate(changed, now time.Time) bool {
	return !changed.IsZero() && !t.last.After(changed.Add(margin)) && !now.Before(changed.Add(patience))
}

// owesAnother reports whether a service has to be touched again for nodes that have not read its login. silent: some have not asked
// for changes since the last touch. asking: some have asked too late, or report that they cannot load an image. All times are the
// Exchange's, so that the pauses survive a restart.
func owesAnother(written, changed, now time.Time, silent, asking bool) bool {
	if written.IsZero() || changed.IsZero() {
		return false
	}
	age, life := now.Sub(changed), changed.Sub(written)
	switch {
	case asking && age >= max(touchLife, life/share):
		return true
	case silent && age >= touchLife:
		return life < silence
	}
	return false
}
