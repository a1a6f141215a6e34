// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// view is a decoded text. Its text is nil if there was nothing to decode.
type view struct {
	text []byte
	// at holds, for each byte, its position in the encoded text, and at the end the length of that.
	at []int
}

// add adds the bytes that an escape stands for.
func (v *view) add(at int, decoded []byte) {
	v.text = append(v.text, decoded...)
	for range decoded {
		v.at = append(v.at, at)
	}
}

// copy adds a part of the encoded text as it is.
func (v *view) copy(text []byte, from, to int) {
	v.text = append(v.text, text[from:to]...)
	for at := from; at < to; at++ {
		v.at = append(v.at, at)
	}
}

// unescaped decodes the escapes in a text. Each begins with mark. decode returns the bytes that the escape at the beginning of its
// argument stands for, and how long the escape is; 0 if it is none.
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

// percent decodes the escapes of a URL.
func percent(text []byte) view { return unescaped(text, '%', percentAt) }

func percentAt(text []byte) ([]byte, int) {
	if b, ok := hexadecimal(text, 1, 2); ok {
		return []byte{byte(b)}, 3 //nolint:gosec // Of two digits.
	}
	return nil, 0
}

// query decodes '+' to a blank, as in the query of a URL. It is used only while a value with a blank is known, because base64 is full
// of '+'.
func query(text []byte) view {
	return unescaped(text, '+', func([]byte) ([]byte, int) { return []byte{' '}, 1 })
}

// quoted decodes the escapes of a string in JSON or Go.
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

// unicodeAt decodes \u0000, or a surrogate pair of them.
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

// hexadecimal reads a number of up to eight hexadecimal digits.
func hexadecimal(text []byte, from, digits int) (rune, bool) {
	if len(text) < from+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[from:from+digits]), 16, 31)
	return rune(n), err == nil
}

// sextet is the value of each character in both alphabets of base64, and noSextet for all others.
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

// runs returns the parts of a text that could be base64 and have at least that many characters.
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

// sextets decodes base64 without padding. It drops bits at the end that fill no byte.
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
