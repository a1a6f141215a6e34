// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
)

const (
	// maxLayers is how deep encodings can be nested: a login in a Secret that is quoted in an error is base64 in JSON in base64 in
	// JSON.
	maxLayers = 4
	// maxWork bounds how much is decoded of a text, as a multiple of its length. Real encodings need about twenty times the length.
	// A text that takes more is redacted whole.
	maxWork = 128
	// LongSecret is the length from which no name or key in a cluster equals a secret by chance. Only such values may be removed
	// from data that programs read.
	LongSecret = 20
)

// Redact replaces each secret that this process used lately in a text: plain, in base64 of both alphabets at any alignment, escaped
// for a URL or JSON, and in layers of these.
func Redact(text string) string { return live.redact(text) }

// Star overwrites long secrets in a text with stars, so that its length and syntax stay. It changes the slice in place.
func Star(text []byte) {
	for _, s := range live.find(text, LongSecret) {
		copy(text[s.from:s.to], bytes.Repeat([]byte("*"), s.to-s.from))
	}
}

func (k *known) redact(text string) string {
	if !k.mayHold(len(text)) {
		return text
	}
	found := k.find([]byte(text), 0)
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	end := 0
	for _, s := range found {
		b.WriteString(text[end:s.from])
		b.WriteString(redacted)
		end = s.to
	}
	b.WriteString(text[end:])
	return b.String()
}

// mayHold reports whether a text of that length could hold a value.
func (k *known) mayHold(length int) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return length >= k.shortest()
}

// span is a part of a text.
type span struct{ from, to int }

// search looks for values in one text.
type search struct {
	*known
	// least is the length of the shortest value to look for.
	least int
	// work is how many bytes may still be decoded.
	work int
	// found are the places in the outermost text, in any order.
	found []span
}

// find returns where the text holds values of at least that length: sorted, without overlaps.
func (k *known) find(text []byte, least int) []span {
	k.mu.RLock()
	defer k.mu.RUnlock()
	s := search{known: k, least: max(least, k.shortest()), work: maxWork * len(text)}
	s.layer(text, maxLayers, func(part span) { s.found = append(s.found, part) })
	if s.work < 0 {
		return []span{{0, len(text)}}
	}
	slices.SortFunc(s.found, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var apart []span
	for _, one := range s.found {
		if last := len(apart) - 1; last >= 0 && one.from <= apart[last].to {
			apart[last].to = max(apart[last].to, one.to)
			continue
		}
		apart = append(apart, one)
	}
	return apart
}

// layer looks for values in a text and in what it decodes to.
func (s *search) layer(text []byte, layers int, report func(span)) {
	if len(text) < s.least {
		return
	}
	s.plain(text, report)
	if layers == 0 {
		return
	}
	escapes := []func([]byte) view{percent, quoted}
	if s.current.blank || s.previous.blank {
		escapes = append(escapes, query)
	}
	for _, unescape := range escapes {
		v := unescape(text)
		if v.text == nil || !s.afford(len(v.text)) {
			continue
		}
		s.layer(v.text, layers-1, func(part span) { report(span{v.at[part.from], v.at[part.to]}) })
	}
	for _, run := range runs(text, (8*s.least+5)/6) {
		encoded := text[run.from:run.to]
		for offset := range 4 {
			if !s.afford(len(encoded)) {
				return
			}
			begin := run.from + offset
			s.layer(sextets(encoded[min(offset, len(encoded)):]), layers-1, func(part span) {
				report(span{begin + part.from*8/6, begin + (part.to*8-1)/6 + 1})
			})
		}
	}
}

// afford subtracts from the work that is left, and reports whether there was enough.
func (s *search) afford(work int) bool {
	if s.work >= 0 {
		s.work -= work
	}
	return s.work >= 0
}

// plain looks for values that are not encoded. It reads each byte once, however many values there are.
func (s *search) plain(text []byte, report func(span)) {
	var tail uint64
	current, previous := &s.current.filter, &s.previous.filter
	for i := s.least - tailSize; i < len(text); i++ {
		tail = (tail<<8 | uint64(text[i])) & tailMask
		if word, bit := place(tail); (current[word]|previous[word])&bit == 0 || i+1 < s.least {
			continue
		}
		for _, value := range slices.Concat(s.current.prints[tail], s.previous.prints[tail]) {
			from := i + 1 - int(value.length)
			if from < 0 || int(value.length) < s.least || maphash.Bytes(s.seed, text[from:i+1]) != value.sum {
				continue
			}
			if value.signature {
				from = beginning(text, from)
			}
			report(span{from, i + 1})
		}
	}
}

// beginning is where the token begins whose signature begins at from.
func beginning(text []byte, from int) int {
	if from == 0 || text[from-1] != '.' {
		return from
	}
	for from > 0 && (text[from-1] == '.' || text[from-1] == '-' || text[from-1] == '_' || isAlphanumeric(text[from-1])) {
		from--
	}
	return from
}

func isAlphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
}
