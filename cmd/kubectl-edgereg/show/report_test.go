// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

var now = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

var states = map[string]State{"ready": Ready, "waiting": Waiting, "stalled": Stalled, "suspended": Suspended, "deleting": Deleting}

func load(t *testing.T, state string) edgev1.EdgeRegistry {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", state+".yaml"))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	var edge edgev1.EdgeRegistry
	g.Expect(yaml.UnmarshalStrict(text, &edge)).To(Succeed())
	return edge
}

// expectGolden compares with a file, which UPDATE_FIXTURES=1 writes.
func expectGolden(t *testing.T, file, got string) {
	t.Helper()
	g := NewWithT(t)
	path := filepath.Join("testdata", file)
	if os.Getenv("UPDATE_FIXTURES") != "" {
		g.Expect(os.WriteFile(path, []byte(got), 0o600)).To(Succeed())
	}
	want, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(string(want)))
}

// Nobody writes a status while the operator is stopped.
func TestASuccessOfLongAgoIsCalledThat(t *testing.T) {
	for name, test := range map[string]struct {
		ago   time.Duration
		shown string
	}{
		"of now":           {time.Hour, ""},
		"of six hours ago": {6 * time.Hour, "; that was at 2026-11-21T04:00:00Z, and was not tried since: see whether the operator runs"},
	} {
		t.Run(name, func(t *testing.T) {
			edge := load(t, "ready")
			edge.Spec.Verification.Interval.Duration = time.Hour
			edge.Status.VerifiedAt = &metav1.Time{Time: now.Add(-test.ago)}
			edge.Status.Conditions = append(edge.Status.Conditions, metav1.Condition{Type: edgev1.RegistryVerified, Status: metav1.ConditionTrue, Message: "accepted"})
			report := NewReport([]edgev1.EdgeRegistry{edge}, now).EdgeRegistries[0]
			g := NewWithT(t)
			g.Expect(report.Message).To(HaveSuffix(test.shown))
			g.Expect(report.Conditions).To(ContainElement(HaveField("Message", "accepted"+test.shown)))
		})
	}
}

func TestEachStateReadsAsRecorded(t *testing.T) {
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			report := NewReport([]edgev1.EdgeRegistry{load(t, name)}, now)
			g.Expect(report.EdgeRegistries[0].State).To(Equal(state))
			g.Expect(report.AllReady()).To(Equal(state == Ready))
			var tree, why, json bytes.Buffer
			g.Expect(report.Tree(&tree, Colours{}, now)).To(Succeed())
			events := []Event{{When: now.Add(-2 * time.Minute), Reason: "RouteNotFound", Message: "not there yet\x1b[2J"}}
			g.Expect(report.EdgeRegistries[0].Why(&why, Colours{}, now, events)).To(Succeed())
			g.Expect(report.JSON(&json)).To(Succeed())
			expectGolden(t, name+".status.txt", tree.String())
			expectGolden(t, name+".why.txt", why.String())
			expectGolden(t, name+".json", json.String())
			for _, text := range []string{tree.String(), why.String(), json.String()} {
				g.Expect(strings.ReplaceAll(text, "\n", "")).To(Satisfy(IsPlain), "nothing that a terminal obeys")
			}
		})
	}
}

// TestEachMessageIsReadOnce: the operator reports each by Ready, by a condition and by an event.
func TestEachMessageIsReadOnce(t *testing.T) {
	g := NewWithT(t)
	report := NewReport([]edgev1.EdgeRegistry{load(t, "waiting")}, now)
	one := report.EdgeRegistries[0]
	var tree, why bytes.Buffer
	g.Expect(report.Tree(&tree, Colours{}, now)).To(Succeed())
	g.Expect(one.Why(&why, Colours{}, now, []Event{{When: now, Reason: one.Reason, Message: one.Message}})).To(Succeed())
	for _, text := range []string{tree.String(), why.String()} {
		g.Expect(strings.Count(text, one.Message)).To(Equal(1), text)
	}
}

func TestAStatusOfAnOlderSpecIsNotReady(t *testing.T) {
	g := NewWithT(t)
	edge := load(t, "ready")
	edge.Generation++
	shown := NewReport([]edgev1.EdgeRegistry{edge}, now).EdgeRegistries[0]
	g.Expect(shown.State).To(Equal(Waiting))
	g.Expect(shown.Message).To(ContainSubstring("latest change"))
}

func TestColoursPaintTheStateAndWhatIsWrong(t *testing.T) {
	g := NewWithT(t)
	report := NewReport([]edgev1.EdgeRegistry{load(t, "stalled")}, now)
	var painted, plain bytes.Buffer
	g.Expect(report.Tree(&painted, Colours{On: true}, now)).To(Succeed())
	g.Expect(report.Tree(&plain, Colours{}, now)).To(Succeed())
	g.Expect(painted.String()).To(And(ContainSubstring("\x1b[31mStalled\x1b[0m"), ContainSubstring("\x1b[32mTrue   \x1b[0m")))
	for _, code := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} {
		painted = *bytes.NewBufferString(strings.ReplaceAll(painted.String(), code, ""))
	}
	g.Expect(painted.String()).To(Equal(plain.String()), "colours change no word")
}

func TestSeveralAreATreeEach(t *testing.T) {
	g := NewWithT(t)
	var tree bytes.Buffer
	report := NewReport([]edgev1.EdgeRegistry{load(t, "ready"), load(t, "waiting")}, now)
	g.Expect(report.Tree(&tree, Colours{}, now)).To(Succeed())
	g.Expect(tree.String()).To(And(HavePrefix("factory  Ready\n"), ContainSubstring("\n\nfactory  Waiting")))
	g.Expect(report.AllReady()).To(BeFalse())
}
