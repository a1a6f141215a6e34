// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package text_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// No message holds a secret, and none is cut so that a part of one is left, which nobody would know any more.
func TestAMessageHoldsNoSecret(t *testing.T) {
	secret := `a "secret"/ of text_test, ` + strings.Repeat("long ", 10)
	credential.Know(secret)
	for form, said := range map[string]string{
		"raw": secret, "base64": base64.StdEncoding.EncodeToString([]byte("user:" + secret)),
		"escaped for a URL": url.QueryEscape(secret), "in JSON": strconv.Quote(secret),
	} {
		for _, before := range []string{"", "a\n", strings.Repeat("x", 180), strings.Repeat("x", 1000)} {
			g := NewWithT(t)
			for _, shown := range []string{text.OneLine(before + said), text.Of(errors.New(before + said)), text.Foreign(before + said)} {
				g.Expect(shown).NotTo(Or(ContainSubstring("secret"), ContainSubstring("c2VjcmV0")), form)
				g.Expect(shown).To(Or(ContainSubstring("[red"), HaveLen(200+len("...")), HaveLen(1024)), form)
			}
		}
	}
}

func TestAMessageIsOneLineThatIsNotTooLong(t *testing.T) {
	g := NewWithT(t)
	g.Expect(text.OneLine("a\n b\t\tc ")).To(Equal("a b c"))
	g.Expect(text.OneLine(strings.Repeat("ä", 600))).To(And(HaveSuffix("ä…"), HaveLen(1023)))
	g.Expect(text.Foreign("a\x00b\n" + strings.Repeat("x", 300))).To(And(HavePrefix("a b x"), HaveSuffix("x..."), HaveLen(203)))
}

// Whoever is asked may answer with a name that holds what a terminal obeys, and many messages hold names.
func TestAMessageHoldsNothingThatATerminalObeys(t *testing.T) {
	for name, hostile := range map[string]string{
		"an escape sequence": "a\x1b[2Jb", "a title": "a\x1b]0;t\x07b", "a control of eight bits": "a\u009b2Jb", "a backspace": "a\bb", "a change of direction": "a\u202eb",
		"bytes that are no text": "a\xffb", "an invisible character": "a\u200bb",
	} {
		g := NewWithT(t)
		for _, shown := range []string{text.OneLine(hostile), text.Of(errors.New(hostile)), text.Foreign(hostile)} {
			g.Expect(strings.ContainsFunc(shown, func(r rune) bool { return !strconv.IsPrint(r) })).To(BeFalse(), "%s: %q", name, shown)
			g.Expect(shown).To(And(HavePrefix("a"), HaveSuffix("b")), name)
		}
	}
}
