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
	// minSecret is the length of the shortest value that is redacted. A shorter one is a part of too many words.
	minSecret = 6
	// minSignature is the length from which the signature of a JWT is looked for by itself. The beginning is alike in all tokens, and
	// useless without the signature.
	minSignature = 32
	// generationTime is how long a value is known at least after its last use. By default the verification uses each every half an
	// hour.
	generationTime = time.Hour
	// generationSize bounds the memory: two generations of so many values are at most 8 MB.
	generationSize = 1 << 16
)

// live knows the secret values of this process. It is a global on purpose: a caller that had to be given it could be given none.
var live = newKnown(time.Now)

// known recognises secret values by their fingerprints, without holding the values: about 50 bytes for each. It forgets a value one
// to two hours after its last use.
type known struct {
	now  func() time.Time
	seed maphash.Seed

	mu                sync.RWMutex
	current, previous *generation
	// begun is when the current generation began.
	begun time.Time
}

// generation are the values that were used in one period of time.
type generation struct {
	prints map[uint64][]fingerprint
	// count is how many prints there are, and shortest the length of the shortest value.
	count, shortest int
	// blank: a value has a blank.
	blank bool
	// filter is a Bloom filter of the tails, which rules most texts out quickly.
	filter [1 << 10]uint64
}

// fingerprint identifies a value. The map finds it by the tail of the value.
type fingerprint struct {
	sum    uint64
	length uint32
	// signature: the value is the signature of a JWT, whose other parts come before it in a text.
	signature bool
}

// tailSize is the length of a tail, the end of a value, in bytes.
const tailSize = 6

// tailMask masks the bits of a tail.
const tailMask = 1<<(8*tailSize) - 1

func newKnown(now func() time.Time) *known {
	return &known{now: now, seed: maphash.MakeSeed(), current: newGeneration(), previous: newGeneration(), begun: now()}
}

func newGeneration() *generation {
	return &generation{prints: map[uint64][]fingerprint{}, shortest: math.MaxInt}
}

// Know has a secret that is not a Token redacted from now on.
func Know(secret string) { live.add(secret) }

// add has a value known for the current generation and the next.
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

// shortest is the length of the shortest known value.
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

// place returns the bit of a tail in the filter.
func place(tail uint64) (word int, bit uint64) {
	hash := tail * 0x9e3779b97f4a7c15
	return int(hash >> 54), 1 << (hash >> 48 & 63)
}
