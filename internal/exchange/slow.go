// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// slow is for how many times as long as one request may take a pass goes on: renewals of the EdgeRegistry wait for it, and who
// deletes it. An Exchange that lists many services and answers slowly would hold these up for ever.
const slow = 10

var (
	errSlow     = errors.New("it answers too slowly")
	errNextPass = errors.New("the Exchange answers so slowly that one pass had no time for it: the next goes on there")
)

// postpones reports that a pass has lasted for so many times as long as one request may, and begins nothing more: the next one
// begins with this service. Nothing is taken up after half of the time, so that what was written by then is announced.
func (p *pass) postpones(s Service, requests int) bool {
	if p.exchanges.now().Sub(p.begun) < time.Duration(requests)*p.client.timeout {
		return false
	}
	p.postpone(s)
	return true
}

// postpone has the next pass begin with a service, or with the first that was postponed.
func (p *pass) postpone(s Service) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from == "" {
		p.from = s.ID
	}
}

// inTurn has the services come first that the pass before did not come to. They are by id.
func (p *pass) inTurn(services []Service) []Service {
	i, _ := slices.BinarySearchFunc(services, p.first, func(s Service, id string) int { return strings.Compare(s.ID, id) })
	return slices.Concat(services[i:], services[:i])
}
