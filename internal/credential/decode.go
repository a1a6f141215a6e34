// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// view is what a text is the encoding of. Its text is nil where the other is as it is.
type view struct {
	text []byte
	// at is where each byte comes from, and where the last one ends.
	at []int
}

// add adds what was decoded of an escape.
func (v *view) add(at int, decoded []byte) {
	v.text = append(v.text, decoded...)
	for range decoded {
		v.at = append(v.at, at)
	}
}

// copy adds a part of the text as it is.
func (v *view) copy(text []byte, from, to int) {
	v.text = append(v.text, text[from:to]...)
	for at := from; at < to; at++ {
		v.at = append(v.at, at)
	}
}

// unescaped decodes each place that begins with a mark by a function, which returns how many bytes it read; none for what
// is no escape.
func unescaped(text []byte, mark byte, decode func([]byte) (decoded []byte, read int)) view {
	var v view
	for i := 0; i < len(text); {
		skipped := bytes.IndexByte(text[i:], mark)
		if skipped < 0 {
			skipped = len(text) - i
		}
		if v.text != nil {
			v.copy(text, i, i+skipped)
		}
		i += skipped
		if i == len(text) {
			break
		}
		decoded, read := decode(text[i:])
		if read > 0 && v.text == nil {
			v = view{text: make([]byte, 0, len(text)), at: make([]int, 0, len(text)+1)}
			v.copy(text, 0, i)
		}
		if read == 0 {
			decoded, read = text[i:i+1], 1
		}
		if v.text != nil {
			v.add(i, decoded)
		}
		i += read
	}
	if v.text != nil {
		v.at = append(v.at, len(text))
	}
	return v
}

// percent decodes what is escaped for the path of a URL.
func percent(text []byte) view { return unescaped(text, '%', percentAt) }

func percentAt(text []byte) ([]byte, int) {
	if b, ok := hexadecimal(text, 1, 2); ok {
		return []byte{byte(b)}, 3 //nolint:gosec // Of two digits.
	}
	return nil, 0
}

// query decodes what a query writes otherwise than a path does: the blank. It is asked for only while a value with a blank is
// known, because base64 is full of its mark.
func query(text []byte) view {
	return unescaped(text, '+', func([]byte) ([]byte, int) { return []byte{' '}, 1 })
}

// quoted decodes what is escaped in a string of JSON or of Go.
func quoted(text []byte) view { return unescaped(text, '\\', quotedAt) }

func quotedAt(text []byte) ([]byte, int) {
	if len(text) < 2 {
		return nil, 0
	}
	switch text[1] {
	case 'n':
		return []byte{'\n'}, 2
	case 't':
		return []byte{'\t'}, 2
	case 'r':
		return []byte{'\r'}, 2
	case 'b':
		return []byte{'\b'}, 2
	case 'f':
		return []byte{'\f'}, 2
	case '"', '\\', '/', '\'':
		return []byte{text[1]}, 2
	case 'x':
		if b, ok := hexadecimal(text, 2, 2); ok {
			return []byte{byte(b)}, 4 //nolint:gosec // Of two digits.
		}
	case 'u':
		return unicodeAt(text)
	case 'U':
		if r, ok := hexadecimal(text, 2, 8); ok {
			return utf8.AppendRune(nil, r), 10
		}
	}
	return nil, 0
}

// unicodeAt decodes \u0000, or two of them that are one character.
func unicodeAt(text []byte) ([]byte, int) {
	first, ok := hexadecimal(text, 2, 4)
	if !ok {
		return nil, 0
	}
	if utf16.IsSurrogate(first) && bytes.HasPrefix(text[6:], []byte(`\u`)) {
		if second, ok := hexadecimal(text, 8, 4); ok {
			return utf8.AppendRune(nil, utf16.DecodeRune(first, second)), 12
		}
	}
	return utf8.AppendRune(nil, first), 6
}

// hexadecimal reads at most eight digits of a character's number, or of a byte.
func hexadecimal(text []byte, from, digits int) (rune, bool) {
	if len(text) < from+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[from:from+digits]), 16, 31)
	return rune(n), err == nil
}

// sextet is the value of each character in either alphabet of base64, and noSextet of all others.
var sextet = func() (values [256]byte) {
	for i := range values {
		values[i] = noSextet
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		values[c] = byte(i)
	}
	values['-'], values['_'] = values['+'], values['/']
	return values
}()

const noSextet = 0xff

// runs returns the parts of a text that could be base64, of at least that many characters.
func runs(text []byte, least int) []span {
	var found []span
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && sextet[text[i]] != noSextet {
			i++
		}
		if i-from >= least {
			found = append(found, span{from, i})
		}
	}
	return found
}

// sextets decodes base64 without padding; what does not fill a byte at the end is dropped.
func sextets(encoded []byte) []byte {
	decoded := make([]byte, 0, len(encoded)*6/8)
	var bits uint
	var held uint32
	for _, c := range encoded {
		held = held<<6 | uint32(sextet[c])
		if bits += 6; bits >= 8 {
			bits -= 8
			decoded = append(decoded, byte(held>>bits)) //nolint:gosec // The lowest eight bits are meant.
		}
	}
	return decoded
}
