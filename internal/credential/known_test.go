// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// letters are what random texts are made of.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func random(r *rand.Rand, length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return string(text)
}

// madeUp is a token of 1.2 KB as the API server issues them, with a beginning that all have.
func madeUp(r *rand.Rand) string {
	return "eyJhbGciOiJSUzI1NiIsImtpZCI6IkEifQ.eyJhdWQiOlsiaHR0cHM6Ly9rdWJlcm5ldGVzIl0" + random(r, 760) + "." + random(r, 342)
}

// encodings are the layers that a secret may come in.
var encodings = map[string]func(string) string{
	"base64":               func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64, shifted once": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")) },
	"base64, shifted":      func(s string) string { return base64.StdEncoding.EncodeToString([]byte("xy" + s + "z")) },
	"base64 for URLs":      func(s string) string { return base64.URLEncoding.EncodeToString([]byte(">?" + s)) },
	"base64 unpadded":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s + "?>")) },
	"base64 behind one":    func(s string) string { return "a" + base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 behind two":    func(s string) string { return "ab" + base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64 behind three":  func(s string) string { return "abc" + base64.StdEncoding.EncodeToString([]byte(s)) },
	"a path":               func(s string) string { return "/v2/" + url.PathEscape(s) + "/x" },
	"a query":              func(s string) string { return url.Values{"a": {"b c"}, "login": {s}}.Encode() },
	"JSON": func(s string) string {
		text, _ := json.Marshal(map[string]string{"a<": "\t\u2028", "token": s})
		return string(text)
	},
	"a quotation":          func(s string) string { return fmt.Sprintf("denied: %q", s) },
	"a quotation in ASCII": func(s string) string { return fmt.Sprintf("denied: %+q", s) },
	"a Docker login": func(s string) string {
		return `{"auths":{"h":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:"+s)) + `"}}}`
	},
}

// secrets are of each kind that is known.
func secrets() map[string]string {
	r := rand.New(rand.NewPCG(1, 2))
	return map[string]string{
		"a token":                madeUp(r),
		"an opaque token":        "sha256~" + random(r, 43),
		"a short password":       "hunter",
		"a password with blanks": `p"ä s%/+<w&`,
		"one that looks escaped": `a%41\u0041b`,
		"one with dots":          "a.short.one",
		"one beyond the plane":   "key 🔑 key",
	}
}

func TestASecretIsRedactedInEachForm(t *testing.T) {
	for name, secret := range secrets() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			k := newKnown(time.Now)
			k.add(secret)
			g.Expect(k.redact(secret) == redacted).To(BeTrue(), "as it is")
			g.Expect(k.redact("before " + secret + ", " + secret + " after")).To(Equal("before [redacted], [redacted] after"))
			for form, encode := range encodings {
				expectGone(t, k, form, encode(secret), secret)
				for outer, again := range encodings {
					expectGone(t, k, form+" in "+outer, again(encode(secret)), secret)
				}
			}
		})
	}
}

// expectGone checks that as much is taken out of the text as the secret is long, and that the rest stays.
func expectGone(t *testing.T, k *known, form, text, secret string) {
	t.Helper()
	text = "before: " + text + " :after"
	clean := k.redact(text)
	parts := strings.Split(clean, redacted)
	if len(parts) < 2 || len(text)-len(strings.Join(parts, "")) < len(secret) {
		t.Errorf("%s: %d bytes of %d are left", form, len(clean), len(text))
	}
	if !strings.HasPrefix(clean, "before: ") || !strings.HasSuffix(clean, " :after") {
		t.Errorf("%s: what is no secret is gone", form)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: what is left was not there", form)
		}
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	g := NewWithT(t)
	r := rand.New(rand.NewPCG(3, 4))
	k := newKnown(time.Now)
	text := `Secret "factory-pull" is invalid: data[.dockerconfigjson]: \u003cnil\u003e at /a%20b?c=d+e ` + madeUp(r)
	g.Expect(k.redact(text) == text).To(BeTrue(), "nothing is known")
	k.add("short")
	k.add("")
	g.Expect(k.redact("a short one")).To(Equal("a short one"), "what is shorter than six bytes is no secret")
	for _, secret := range secrets() {
		k.add(secret)
	}
	for range 2000 {
		k.add(madeUp(r))
	}
	g.Expect(k.redact(text) == text).To(BeTrue(), "the token of another, with the same beginning")
	g.Expect(k.redact("")).To(BeEmpty())
}

func TestATokenIsKnownByItsSignature(t *testing.T) {
	g := NewWithT(t)
	r := rand.New(rand.NewPCG(5, 6))
	k := newKnown(time.Now)
	token := madeUp(r)
	k.add(token)
	signature := token[strings.LastIndex(token, ".")+1:]
	g.Expect(k.redact("signed " + signature + " so")).To(Equal("signed [redacted] so"))
	g.Expect(k.redact("host:user:" + token)).To(Equal("host:user:[redacted]"))
}

func TestStarsKeepTheLengthAndShortWords(t *testing.T) {
	g := NewWithT(t)
	old := live
	t.Cleanup(func() { live = old })
	live = newKnown(time.Now)
	token := madeUp(rand.New(rand.NewPCG(7, 8)))
	Know(token)
	Know("reason")
	text := `{"reason":"Forbidden","message":"` + token + ` ` + encodings["a Docker login"](token) + `"}`
	clean := []byte(text)
	Star(clean)
	g.Expect(clean).To(HaveLen(len(text)))
	g.Expect(string(clean)).To(HavePrefix(`{"reason":"Forbidden","message":"***`), "a short secret may be a word that programs read")
	g.Expect(strings.Count(string(clean), "*")).To(BeNumerically(">", 2*len(token)))
	g.Expect(k(clean)).To(BeFalse())
	g.Expect(Redact("the reason")).To(Equal("the [redacted]"))
}

func k(text []byte) bool { return len(live.find(text, LongSecret)) > 0 }

// A value is known for an hour at least since it was in hand, and not for ever.
func TestASecretIsForgottenAfterAnHourOrTwo(t *testing.T) {
	g := NewWithT(t)
	now := time.Unix(0, 0)
	k := newKnown(func() time.Time { return now })
	knows := func(secret string) bool { return k.redact(secret) == redacted }
	k.add("first secret")
	now = now.Add(59 * time.Minute)
	k.add("second secret")
	now = now.Add(time.Minute)
	k.add("third secret")
	g.Expect(knows("first secret") && knows("second secret") && knows("third secret")).To(BeTrue())
	now = now.Add(59 * time.Minute)
	k.add("first secret")
	now = now.Add(time.Minute)
	k.add("fourth secret")
	g.Expect(knows("first secret") && knows("third secret") && knows("fourth secret")).To(BeTrue(), "in hand again")
	g.Expect(knows("second secret")).To(BeFalse())
}

func TestATokenIsKnownFromWhenItIsMadeAndWhenItIsRevealed(t *testing.T) {
	g := NewWithT(t)
	old := live
	t.Cleanup(func() { live = old })
	live = newKnown(time.Now)
	token := NewToken("a token of some kind")
	g.Expect(Redact("a token of some kind")).To(Equal(redacted))
	live = newKnown(time.Now)
	g.Expect(token.IsZero() || !token.Equal(token)).To(BeFalse())
	g.Expect(Redact("a token of some kind")).NotTo(Equal(redacted), "to look at it sends it nowhere")
	_ = token.Reveal()
	g.Expect(Redact("a token of some kind")).To(Equal(redacted))
}

// Two tokens for each of 1,000 EdgeRegistries.
func TestTwoThousandTokensTakeLittleMemory(t *testing.T) {
	g := NewWithT(t)
	r := rand.New(rand.NewPCG(9, 10))
	before := allocated()
	k := newKnown(time.Now)
	for range 2000 {
		k.add(madeUp(r))
	}
	each := int64(allocated()-before) / 2000
	t.Logf("%d bytes for each token", each)
	g.Expect(each).To(BeNumerically("<", 256))
	g.Expect(k.current.count).To(Equal(2000))
}

func TestTheNumberOfValuesIsBounded(t *testing.T) {
	g := NewWithT(t)
	k := newKnown(time.Now)
	for i := range 3 * generationSize {
		k.add(fmt.Sprintf("secret-%06d", i))
	}
	g.Expect(k.current.count + k.previous.count).To(BeNumerically("<=", 2*generationSize))
	g.Expect(k.redact(fmt.Sprintf("secret-%06d", 3*generationSize-1))).To(Equal(redacted))
}

func allocated() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// Each secret in up to four layers of encodings, in a text that somebody else made.
func TestASecretIsRedactedInLayers(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	names := make([]string, 0, len(encodings))
	for name := range encodings {
		names = append(names, name)
	}
	all := secrets()
	for range 2000 {
		for _, secret := range all {
			k := newKnown(time.Now)
			k.add(secret)
			text, layers := secret, ""
			for range r.IntN(3) {
				name := names[r.IntN(len(names))]
				text, layers = encodings[name](random(r, r.IntN(9))+"|"+text+"|"+random(r, r.IntN(9))), layers+", "+name
			}
			expectGone(t, k, "layers"+layers, text, secret)
		}
		if t.Failed() {
			return
		}
	}
}

// A text that is made to cost much is taken away.
func TestWorkIsBounded(t *testing.T) {
	g := NewWithT(t)
	k := newKnown(time.Now)
	k.add("hunter")
	for _, unit := range []string{"%25252525", `\\\\\\\\u0025`, "++%2B%5C", "QUFBQUFBQUFB"} {
		text := strings.Repeat(unit, 20_000)
		began := time.Now()
		clean := k.redact(text)
		t.Logf("%q: %d bytes in %s", unit, len(text), time.Since(began))
		g.Expect(clean == text || clean == redacted).To(BeTrue())
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("%", "hunter2")
	f.Add(`\ud83d\udd11 %zz \u12`, "secret")
	f.Add("aHVudGVyMg==", "hunter2")
	f.Fuzz(func(t *testing.T, text, secret string) {
		k := newKnown(time.Now)
		k.add(secret)
		clean := k.redact(text)
		if !strings.Contains(clean, redacted) && clean != text {
			t.Error("a text was changed without a sign")
		}
		if len(secret) >= minSecret && !strings.Contains(redacted, secret) && strings.Contains(clean, secret) {
			t.Error("the secret is still there")
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	r := rand.New(rand.NewPCG(13, 14))
	token := madeUp(r)
	line := `{"level":"info","msg":"Published","object":{"name":"factory"},"namespace":"factory","name":"factory-publish","reconcileID":"` + random(r, 36) + `"}`
	for _, values := range []int{0, 2000, 20_000} {
		for text, length := range map[string]string{line: "a line", strings.Repeat(line+token, 20): "a long error"} {
			for kind, shortest := range map[string]string{"tokens": "", "a password too": "hunter2!"} {
				b.Run(fmt.Sprintf("%d %s/%s of %d", values, kind, length, len(text)), func(b *testing.B) {
					k := newKnown(time.Now)
					for range values {
						k.add(madeUp(r))
					}
					if values > 0 {
						k.add(shortest)
					}
					b.SetBytes(int64(len(text)))
					for b.Loop() {
						k.redact(text)
					}
				})
			}
		}
	}
}
