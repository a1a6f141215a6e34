// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"time"

	"k8s.io/apimachinery/pkg/util/sets"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

// A namespace that is absent, or whose owner did not invite the operator, is read again after FirstPause, then after pauses that
// grow to MostPause: an EdgeRegistry may name a thousand of them.
const (
	FirstPause = 25 * time.Second
	MostPause  = 8 * time.Minute
)

// Pauses are those of the namespaces of one EdgeRegistry. The zero value is ready for use.
type Pauses struct {
	asked string
	of    map[string]*pauseOf
}

type pauseOf struct {
	until time.Time
	next  time.Duration
	why   *pass.Blocked
}

// Begin ends the pauses of namespaces that are no longer wanted, and of those that changed. asked is what people request of the
// EdgeRegistry: whenever that changes, all pauses end.
func (p *Pauses) Begin(asked string, wanted sets.Set[string], news func(namespace string) bool) {
	if p.asked != asked || p.of == nil {
		*p = Pauses{asked: asked, of: map[string]*pauseOf{}}
	}
	for namespace := range p.of {
		if !wanted.Has(namespace) || news(namespace) {
			delete(p.of, namespace)
		}
	}
}

// Over returns the namespaces of a list that are not in a pause. waiting says why the others are.
func (p *Pauses) Over(now time.Time, namespaces []string) (over []string, waiting map[string]*pass.Blocked) {
	waiting = map[string]*pass.Blocked{}
	for _, namespace := range namespaces {
		if pause := p.of[namespace]; pause != nil && now.Before(pause.until) {
			waiting[namespace] = pause.why
			continue
		}
		over = append(over, namespace)
	}
	return over, waiting
}

// Note records why a namespace cannot be served; nil if it can.
func (p *Pauses) Note(now time.Time, namespace string, why *pass.Blocked) {
	if why == nil || (why.Reason != edgev1.ReasonNamespaceAbsent && why.Reason != edgev1.ReasonNotInvited) {
		delete(p.of, namespace)
		return
	}
	pause := p.of[namespace]
	if pause == nil {
		pause = &pauseOf{next: FirstPause}
		p.of[namespace] = pause
	}
	pause.until, pause.why = now.Add(pause.next), why
	pause.next = min(2*pause.next, MostPause)
}

// Left returns how long the pause of a namespace lasts; FirstPause if it has none.
func (p *Pauses) Left(now time.Time, namespace string) time.Duration {
	if pause := p.of[namespace]; pause != nil {
		return pause.until.Sub(now)
	}
	return FirstPause
}
