// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import "time"

const (
	// touchLife is how long a touch proves something: an hour less than the Exchange keeps a change for nodes to read
	// (api.resourceChanges.ttl, 14400 s). A node that asks later may not be told of it.
	touchLife = 3 * time.Hour
	// margin is by how much a heartbeat has to be later than a touch: the longest pause between two that an agent makes by
	// itself (open-horizon/anax, config/constants.go). What a program writes about a node moves its heartbeat too, and reads
	// nothing.
	margin = 2 * time.Minute
	// patience is how long a touch is no reason to call a node late: one that asks has left a heartbeat by then that proves it.
	patience = 2 * margin
	// silence is for how long after a login was written nodes that do not ask are touched again. From then on they are
	// touched once they ask.
	silence = 24 * time.Hour
	// share sets the pause between touches for nodes that ask: never less than this part of the time since the login was
	// written. In the first day that is every three hours, and in two months some forty touches altogether.
	share = 8
)

// Reading is whether a node has read the current login of a service that it runs.
type Reading int

const (
	// Unknown: it is not known whether it has read it.
	Unknown Reading = iota
	// Late: it has not asked since the service was touched, or it could not load an image of it.
	Late
	// Confirmed: it has dropped the previous login, and reads the current one at its next pull.
	Confirmed
)

// track is the last unbroken run of a node's heartbeats, as far as they were seen: between two of them it was never silent
// for so long that a change could have passed it by.
type track struct{ since, last time.Time }

// see adds a heartbeat, and reports whether the time went back: the Exchange is an older copy of itself, or its clock was set.
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

// hasRead reports that a node has read a change of that time. A heartbeat of an agent is its reading of the changes, so one
// that came after the change and less than touchLife later has brought it, and so have all that follow without a break.
//
// After an Exchange was put back to an older copy that is not enough: nodes ask for changes with numbers that the copy has
// not reached. Then, with bothSides, a heartbeat has to come before the change, too.
func (t track) hasRead(changed time.Time, bothSides bool) bool {
	if changed.IsZero() || !t.last.After(changed.Add(margin)) {
		return false
	}
	if bothSides {
		return t.since.Before(changed)
	}
	return t.since.Before(changed.Add(touchLife))
}

// isLate reports that a node has had the time to ask since a change, and did not.
func (t track) isLate(changed, now time.Time) bool {
	return !changed.IsZero() && !t.last.After(changed.Add(margin)) && !now.Before(changed.Add(patience))
}

// owesAnother reports whether a service is to be touched again: it changed last at a time at which its login, written before,
// was not read by some nodes. silent are those that have not asked since, asking those that have asked too late, or report
// that they cannot load an image. All times are the Exchange's, so that the pauses outlive this process.
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
