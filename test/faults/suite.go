// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// floors are the least numbers of cases of each suite: how many there were when they were last counted. A suite that
// has fewer lost some without anybody saying so.
var floors = map[string]struct{ quick, all int64 }{
	"A1":      {quick: 45, all: 620},
	"A2":      {quick: 15, all: 291},
	"A3":      {quick: 8, all: 113},
	"A4":      {quick: 2, all: 74},
	"A5":      {quick: 15, all: 116},
	"B1":      {quick: 75, all: 2318},
	"B2":      {quick: 15, all: 227},
	"B3":      {quick: 20, all: 220},
	"B4":      {quick: 18, all: 97},
	"C1":      {quick: 6, all: 26},
	"C2":      {quick: 7, all: 31},
	"D1":      {quick: 7, all: 22},
	"D2":      {quick: 8, all: 80},
	"E":       {quick: 6, all: 56},
	"F1":      {quick: 4, all: 93},
	"F2":      {quick: 2, all: 25},
	"G1":      {quick: 12, all: 60},
	"G2":      {quick: 4, all: 7},
	"G3":      {quick: 4, all: 10},
	"H1":      {quick: 35, all: 344},
	"H2":      {quick: 7, all: 67},
	"H3":      {quick: 9, all: 41},
	"H4":      {quick: 24, all: 54},
	"I":       {quick: 34, all: 554},
	"I2":      {quick: 6, all: 6},
	"J":       {quick: 8, all: 110},
	"K1":      {quick: 71, all: 467},
	"K1e":     {quick: 20, all: 90},
	"K1m":     {quick: 70, all: 300},
	"K3":      {quick: 28, all: 168},
	"K4":      {quick: 2, all: 48},
	"L":       {quick: 6, all: 194},
	"M":       {quick: 11, all: 119},
	"N":       {quick: 10, all: 41},
	"O":       {quick: 33, all: 600},
	"P":       {quick: 23, all: 351},
	"Q":       {quick: 11, all: 47},
	"S14":     {quick: 8, all: 8},
	"manager": {quick: 11, all: 11},
}

// Suite counts the cases of a table.
type Suite struct {
	t     *testing.T
	id    string
	one   uint32
	began time.Time

	cases, failures atomic.Int64
}

// NewSuite begins a suite. Of its cases one in so many is run by default, chosen by name, and all with FAULTS=all.
func NewSuite(t *testing.T, id string, oneIn uint32) *Suite {
	t.Helper()
	s := &Suite{t: t, id: id, one: oneIn, began: time.Now()}
	if everything() {
		s.one = 1
	}
	t.Cleanup(s.end)
	return s
}

func everything() bool { return os.Getenv("FAULTS") == "all" }

// Run adds a case, beside those that run already.
func (s *Suite) Run(name string, run func(t *testing.T)) {
	s.t.Helper()
	s.add(name, (*testing.T).Parallel, run)
}

// RunAlone runs a case that changes what all cases share, before any that Run added.
func (s *Suite) RunAlone(name string, run func(t *testing.T)) {
	s.t.Helper()
	s.add(name, func(*testing.T) {}, run)
}

func (s *Suite) add(name string, begin func(*testing.T), run func(t *testing.T)) {
	s.t.Helper()
	if !s.chosen(name) {
		return
	}
	s.t.Run(name, func(t *testing.T) {
		begin(t)
		if failFast := flag.Lookup("test.failfast").Value.String(); failFast == "true" && s.t.Failed() {
			t.Skip("another case failed")
		}
		s.Count(t)
		run(t)
	})
}

// Count counts a case that is not added by Run.
func (s *Suite) Count(t *testing.T) {
	s.cases.Add(1)
	t.Cleanup(func() {
		if t.Failed() {
			s.failures.Add(1)
		}
	})
}

func (s *Suite) chosen(name string) bool {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(s.id + name))
	return hash.Sum32()%s.one == 0
}

func (s *Suite) end() {
	took := time.Since(s.began).Round(time.Second)
	_, _ = fmt.Fprintf(os.Stdout, "suite %s: cases %d, failures %d, time %s\n", s.id, s.cases.Load(), s.failures.Load(), took)
	floor := floors[s.id].quick
	if everything() {
		floor = floors[s.id].all
	}
	// A person who asks for single cases knows.
	single := strings.Contains(flag.Lookup("test.run").Value.String(), "/")
	if floor == 0 {
		s.t.Errorf("suite %s has no floor", s.id)
	} else if s.cases.Load() < floor && !single && !s.t.Failed() {
		s.t.Errorf("suite %s had %d cases, fewer than its floor %d", s.id, s.cases.Load(), floor)
	}
}
