// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrlzap "sigs.k8s.io/controller-runtime/pkg/log/zap"
)

type named string

type said struct {
	Code int
	Text *string
	text string
}

type stringer struct{ text string }

func (s *stringer) String() string { return s.text }

type marshaler struct{ text string }

func (m *marshaler) MarshalLog() any { return map[string]string{"text": m.text} }

// verbose shows more by %+v than by its text, as errors with a stack do.
type verbose struct{ text string }

func (verbose) Error() string { return "failed" }

func (v verbose) Format(f fmt.State, _ rune) {
	if f.Flag('+') {
		_, _ = fmt.Fprint(f, v.text)
	} else {
		_, _ = fmt.Fprint(f, v.Error())
	}
}

// lines are the ways in which a text gets into a log.
var lines = map[string]func(logr.Logger, string){
	"a message":                   func(l logr.Logger, s string) { l.Info(s) },
	"a message of an error":       func(l logr.Logger, s string) { l.Error(nil, s) },
	"a string":                    func(l logr.Logger, s string) { l.Info("m", "k", s) },
	"a string of a type":          func(l logr.Logger, s string) { l.Info("m", "k", named(s)) },
	"bytes":                       func(l logr.Logger, s string) { l.Info("m", "k", []byte(s)) },
	"a list":                      func(l logr.Logger, s string) { l.Info("m", "k", []string{"a", s}) },
	"a map":                       func(l logr.Logger, s string) { l.Info("m", "k", map[string]any{"a": s}) },
	"a struct":                    func(l logr.Logger, s string) { l.Info("m", "k", said{Text: &s}) },
	"a pointer":                   func(l logr.Logger, s string) { l.Info("m", "k", &said{Text: &s, text: s}) },
	"a Stringer":                  func(l logr.Logger, s string) { l.Info("m", "k", &stringer{s}) },
	"a Marshaler":                 func(l logr.Logger, s string) { l.Info("m", "k", &marshaler{s}) },
	"an object":                   func(l logr.Logger, s string) { l.Info("m", "k", secretOf(s)) },
	"an error":                    func(l logr.Logger, s string) { l.Error(errors.New(s), "m") },
	"a wrapped error":             func(l logr.Logger, s string) { l.Error(fmt.Errorf("a: %w", errors.Join(errors.New(s))), "m", "k", s) },
	"an error that is a value":    func(l logr.Logger, s string) { l.Info("m", "err", errors.New(s)) },
	"an error that tells more":    func(l logr.Logger, s string) { l.Error(verbose{s}, "m", "k", verbose{s}) },
	"a value of all lines":        func(l logr.Logger, s string) { l.WithValues("k", s).Info("m") },
	"a name":                      func(l logr.Logger, s string) { l.WithName(s).Info("m") },
	"a value of an error's lines": func(l logr.Logger, s string) { l.WithName("n").WithValues("k", s).WithCallDepth(1).Error(nil, "m") },
}

func secretOf(text string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{"token": []byte(text)}}
}

// backends write lines of all levels to a buffer.
func backends(out *bytes.Buffer) map[string]logr.Logger {
	write := func(prefix, args string) { _, _ = fmt.Fprintln(out, prefix, args) }
	return map[string]logr.Logger{
		"zap in JSON":     ctrlzap.New(ctrlzap.WriteTo(out), ctrlzap.JSONEncoder(), ctrlzap.Level(zapAll)),
		"zap for a human": ctrlzap.New(ctrlzap.WriteTo(out), ctrlzap.UseDevMode(true), ctrlzap.Level(zapAll)),
		"funcr":           funcr.New(write, funcr.Options{Verbosity: 10}),
		"funcr in JSON":   funcr.NewJSON(func(obj string) { write("", obj) }, funcr.Options{Verbosity: 10}),
	}
}

// zapAll enables each level.
const zapAll = zapcore.Level(-10)

func TestNoLineHoldsASecretInAnyForm(t *testing.T) {
	old := live
	t.Cleanup(func() { live = old })
	forms := map[string]func(string) string{"raw": func(s string) string { return s }}
	maps.Copy(forms, encodings)
	token := madeUp(rand.New(rand.NewPCG(21, 22)))
	signature := token[strings.LastIndex(token, ".")+1:]
	seen := newKnown(time.Now)
	seen.add(token)
	live = newKnown(time.Now)
	NewToken(token)
	out := &bytes.Buffer{}
	for backend, logger := range backends(out) {
		for level := range maxVerbosity + 3 {
			for line, write := range lines {
				for form, encode := range forms {
					out.Reset()
					write(WithoutBodies(logger).V(level), "before "+encode(token)+" after")
					// Gomega would print the line, and with it the token.
					if len(seen.find(out.Bytes(), 0)) > 0 || strings.Contains(out.String(), signature) {
						t.Fatalf("%s, level %d, %s in the form %q: the token shows", backend, level, line, form)
					}
					written := level <= maxVerbosity || strings.Contains(line, "error") && !strings.Contains(line, "is a value")
					if hides := strings.Contains(line, "object"); !hides && strings.Contains(out.String(), "[redacted]") != written {
						t.Fatalf("%s, level %d, %s in the form %q: %s", backend, level, line, form, out)
					}
				}
			}
		}
	}
}

func TestKlogWritesNoSecret(t *testing.T) {
	g := NewWithT(t)
	old := live
	out := &bytes.Buffer{}
	klog.SetLogger(WithoutBodies(backends(out)["zap in JSON"]))
	t.Cleanup(func() { live = old; klog.ClearLogger() })
	live = newKnown(time.Now)
	Know("hunter2!")
	klog.Infof("a %s", "hunter2!")
	klog.ErrorS(errors.New("b hunter2! said"), "c", "d", "aHVudGVyMiE=")
	klog.Warning("e hunter2!")
	g.Expect(strings.Count(out.String(), "[redacted]")).To(Equal(4))
	g.Expect(out.String()).NotTo(Or(ContainSubstring("hunter2"), ContainSubstring("aHVudGVyMi")))
}

func TestValuesWithoutASecretAreWrittenAsTheyAre(t *testing.T) {
	g := NewWithT(t)
	old := live
	t.Cleanup(func() { live = old })
	live = newKnown(time.Now)
	Know("hunter2!")
	text := "x"
	failure := verbose{text}
	var none *marshaler
	values := []any{nil, true, 7, 1.5, time.Second, "a", named("a"), []byte("a"), said{Text: &text}, &stringer{text}, secretOf(text), failure, Token{}}
	g.Expect(redactAll(values)).To(Equal(values))
	g.Expect(redactValue(none)).To(Equal("<panic>"))
	g.Expect(redactError(failure)).To(Equal(failure))
	g.Expect(redactError(nil)).To(Succeed())
}
