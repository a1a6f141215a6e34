// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/format"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

const text = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl"

type login struct {
	User  string
	Token credential.Token
}

type session struct {
	token   credential.Token
	pointer *credential.Token
	login   login
}

type refused struct {
	Login *login
	Token *credential.Token
}

func (r refused) Error() string { return fmt.Sprintf("refused: %v", r.Login) }

// holders are the shapes in which code passes a token about.
func holders() map[string]any {
	token := credential.NewToken(text)
	l := login{User: "edge-puller", Token: token}
	return map[string]any{
		"the token":           token,
		"a pointer":           &token,
		"a struct":            l,
		"a pointer to struct": &l,
		"a field by pointer":  refused{Login: &l, Token: &token},
		"hidden fields":       session{token: token, pointer: &token, login: l},
		"a hidden pointer":    &session{token: token, pointer: &token, login: l},
		"a list":              []credential.Token{token},
		"a list of pointers":  []*credential.Token{&token},
		"an array":            [1]credential.Token{token},
		"a map":               map[string]credential.Token{"token": token},
		"a map of structs":    map[string]login{"login": l},
		"a list of anything":  []any{token, &token, l, &l},
		"a wrapped error":     fmt.Errorf("step: %w", refused{Login: &l, Token: &token}),
		"a joined error":      errors.Join(refused{Login: &l, Token: &token}),
	}
}

// expectNothingOf checks that no part of the token is in the output: neither
// plain nor in the encodings that formatting verbs have.
func expectNothingOf(t *testing.T, output string) {
	t.Helper()
	for _, part := range strings.Split(text, ".") {
		for _, form := range []string{part, fmt.Sprintf("%x", part), fmt.Sprintf("%X", part), fmt.Sprintf("% x", part)} {
			// Gomega would print the output, and with it the token.
			if strings.Contains(output, form) {
				t.Errorf("the output of %d bytes holds a part of the token", len(output))
			}
		}
		if strings.Contains(output, strings.Trim(fmt.Sprint([]byte(part)), "[]")) {
			t.Errorf("the output of %d bytes holds the bytes of a part of the token", len(output))
		}
	}
}

func TestNoVerbPrintsAToken(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			for _, flag := range []string{"", "+", "#", " ", "0", "-", "80", ".3", "# "} {
				for verb := 'A'; verb <= 'z'; verb++ {
					expectNothingOf(t, fmt.Sprintf("%"+flag+string(verb), holder))
				}
			}
			expectNothingOf(t, fmt.Sprint(holder)+fmt.Sprintln(holder))
			expectNothingOf(t, format.Object(holder, 0))
		})
	}
}

func TestATokenIsShownAsRedacted(t *testing.T) {
	g := NewWithT(t)
	token := credential.NewToken(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%5.2s"} {
		g.Expect(fmt.Sprintf(verb, token)).To(Equal("[redacted]"), verb)
		g.Expect(fmt.Sprintf(verb, &token)).To(Equal("[redacted]"), verb)
	}
	g.Expect(token.String()).To(Equal("[redacted]"))
	g.Expect(token.GoString()).To(Equal("[redacted]"))
	g.Expect(json.Marshal(login{User: "u", Token: token})).To(MatchJSON(`{"User":"u","Token":"[redacted]"}`))
}

func TestNoEncoderWritesAToken(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			for _, encode := range []func(any) ([]byte, error){json.Marshal, func(v any) ([]byte, error) { return yaml.Marshal(v) }, xml.Marshal} {
				// Some shapes cannot be encoded; then the error must not show the token.
				out, err := encode(holder)
				expectNothingOf(t, string(out)+fmt.Sprintf("%v %+v %#v", err, err, err))
			}
		})
	}
}

func TestNoLoggerWritesAToken(t *testing.T) {
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			for logger, write := range loggers() {
				var out bytes.Buffer
				write(&out, holder)
				NewWithT(t).Expect(out.Len()).To(BeNumerically(">", 0), logger)
				expectNothingOf(t, out.String())
			}
		})
	}
}

// loggers write a value to a buffer, as a value of their own kind.
func loggers() map[string]func(*bytes.Buffer, any) {
	bySlog := func(handler slog.Handler, v any) {
		log := slog.New(handler)
		log.Info("message", "value", v)
		log.With("value", v).WithGroup("g").Info("message", slog.Any("value", v))
	}
	byLogr := func(log logr.Logger, v any) {
		log.Info("message", "value", v)
		log.WithValues("value", v).Error(fmt.Errorf("failed: %v", v), "message")
	}
	byFuncr := func(newLogger func(func(string), funcr.Options) logr.Logger) func(*bytes.Buffer, any) {
		return func(out *bytes.Buffer, v any) {
			byLogr(newLogger(func(line string) { out.WriteString(line) }, funcr.Options{}), v)
		}
	}
	byZap := func(encoder zapcore.Encoder) func(*bytes.Buffer, any) {
		return func(out *bytes.Buffer, v any) {
			log := zap.New(zapcore.NewCore(encoder, zapcore.AddSync(out), zap.DebugLevel))
			log.Info("message", zap.Any("value", v), zap.Reflect("reflected", v))
			log.Sugar().With("value", v).Infof("%v %+v", v, v)
			log.Sugar().Infow("message", "value", v)
		}
	}
	config := zap.NewProductionEncoderConfig()
	return map[string]func(*bytes.Buffer, any){
		"slog text": func(out *bytes.Buffer, v any) { bySlog(slog.NewTextHandler(out, nil), v) },
		"slog JSON": func(out *bytes.Buffer, v any) { bySlog(slog.NewJSONHandler(out, nil), v) },
		"logr": byFuncr(func(write func(string), o funcr.Options) logr.Logger {
			return funcr.New(func(p, a string) { write(p + a) }, o)
		}),
		"logr JSON":   byFuncr(funcr.NewJSON),
		"logr slog":   func(out *bytes.Buffer, v any) { byLogr(logr.FromSlogHandler(slog.NewJSONHandler(out, nil)), v) },
		"zap JSON":    byZap(zapcore.NewJSONEncoder(config)),
		"zap console": byZap(zapcore.NewConsoleEncoder(config)),
	}
}

func TestOnlyRevealReturnsTheText(t *testing.T) {
	g := NewWithT(t)
	g.Expect(credential.NewToken(text).Reveal() == text).To(BeTrue())
	g.Expect(credential.NewToken(text).IsZero()).To(BeFalse())
	g.Expect(credential.NewToken("").IsZero()).To(BeTrue())
	g.Expect(credential.Token{}.IsZero()).To(BeTrue())
	g.Expect(credential.Token{}.Reveal()).To(BeEmpty())
	g.Expect(credential.NewToken(text).Equal(credential.NewToken(text))).To(BeTrue())
	g.Expect(credential.NewToken(text).Equal(credential.Token{})).To(BeFalse())
	g.Expect(credential.Token{}.String()).To(Equal("[redacted]"), "an empty token looks like any other")
}
