// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// minSecret is the length of the shortest value that is known. What is shorter is a part of too many words.
	minSecret = 6
	// minSignature is the length from which the last of three parts is looked for by itself. A token says at its
	// beginning what all tokens say, and is good for nothing without its signature.
	minSignature = 32
	// generationTime is how long a value is known at least since it was last taken in hand. The next one comes for it in
	// half an hour by default, with the next verification.
	generationTime = time.Hour
	// generationSize bounds the memory: two generations of so many values are at most 8 MB.
	generationSize = 1 << 16
)

// live knows the values of this process. There is one for all, because what is to be kept from the log is not a matter of
// who writes the line: a caller that had to be given the set could be given none.
var live = newKnown(time.Now)

// known knows secret values by their fingerprints: it holds no secret longer than it was in memory anyway, and about 50
// bytes for each. What was not in hand for one to two hours is forgotten.
type known struct {
	now  func() time.Time
	seed maphash.Seed

	mu                sync.RWMutex
	current, previous *generation
	// begun is when the current generation began.
	begun time.Time
}

// generation is the values that were in hand in one stretch of time.
type generation struct {
	prints map[uint64][]fingerprint
	// count is how many prints there are, and shortest the length of the shortest value of them.
	count, shortest int
	// blank: a value has a blank.
	blank bool
	// filter holds a bit for each tail, and says quickly that a tail is none of them.
	filter [1 << 10]uint64
}

// fingerprint stands for a value. It is found by the value's tail.
type fingerprint struct {
	sum    uint64
	length uint32
	// signature: the value is the last part of a token, whose other parts stand before it.
	signature bool
}

// tailSize is how many bytes of the end of a value it is found by.
const tailSize = 6

// tailMask are the bits of a tail.
const tailMask = 1<<(8*tailSize) - 1

func newKnown(now func() time.Time) *known {
	return &known{now: now, seed: maphash.MakeSeed(), current: newGeneration(), previous: newGeneration(), begun: now()}
}

func newGeneration() *generation {
	return &generation{prints: map[uint64][]fingerprint{}, shortest: math.MaxInt}
}

// Know makes a secret that is not a Token be redacted from now on.
func Know(secret string) { live.add(secret) }

// add has a value known for the generation that runs, and the next.
func (k *known) add(text string) {
	if len(text) < minSecret {
		return
	}
	var value fingerprint
	blank := strings.Contains(text, " ")
	if first, last := strings.IndexByte(text, '.'), strings.LastIndexByte(text, '.'); first != last && len(text)-last > minSignature {
		text, value.signature = text[last+1:], true
	}
	value.sum, value.length = maphash.String(k.seed, text), uint32(len(text)) //nolint:gosec // No value has 4 GB.
	var tail uint64
	for _, b := range []byte(text[len(text)-tailSize:]) {
		tail = tail<<8 | uint64(b)
	}
	k.mu.RLock()
	fresh := k.now().Sub(k.begun) < generationTime && k.current.holds(tail, value)
	k.mu.RUnlock()
	if fresh {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.begun) >= generationTime || k.current.count >= generationSize {
		k.current, k.previous, k.begun = newGeneration(), k.current, now
	}
	k.current.add(tail, value, blank)
}

// shortest is the length of the shortest value that is known.
func (k *known) shortest() int { return min(k.current.shortest, k.previous.shortest) }

func (g *generation) add(tail uint64, value fingerprint, blank bool) {
	if g.holds(tail, value) {
		return
	}
	g.blank = g.blank || blank
	g.prints[tail] = append(g.prints[tail], value)
	g.count++
	g.shortest = min(g.shortest, int(value.length))
	word, bit := place(tail)
	g.filter[word] |= bit
}

func (g *generation) holds(tail uint64, value fingerprint) bool {
	return slices.Contains(g.prints[tail], value)
}

// place spreads tails over the filter.
func place(tail uint64) (word int, bit uint64) {
	hash := tail * 0x9e3779b97f4a7c15
	return int(hash >> 54), 1 << (hash >> 48 & 63)
}
