// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package show

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"unicode"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// hostile are texts that somebody may write into a cluster.
var hostile = []string{
	"", "plain", "it's", `"$(id)" ` + "`id` ${HOME} \\ ; & | > < * ? ~ # !", "\x1b]0;title\x07\x1b[2J", "a\nb\r\tc", "\u009b31m", "\u202etxt.exe",
	"\x00\x7f\xff\xc3", "é ü 漢", "'; rm -rf \"$HOME\"; '", "-n", "\u2028",
}

func TestWhatATerminalObeysIsSpeltOut(t *testing.T) {
	g := NewWithT(t)
	for _, text := range hostile {
		safe := Safe(text)
		for _, r := range safe {
			g.Expect(unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r)).To(BeFalse(), "%q", safe)
		}
		g.Expect(Safe(safe)).To(Equal(safe))
	}
	g.Expect(Safe("\x1b[2J")).To(Equal(`\x1b[2J`))
	g.Expect(Safe("a\nb")).To(Equal(`a\nb`))
	g.Expect(Safe("\xff'")).To(Equal(`\xff'`))
	g.Expect(Safe("é ü 漢")).To(Equal("é ü 漢"))
}

func TestJSONKeepsTheValueAndIsPlain(t *testing.T) {
	for _, text := range hostile {
		g := NewWithT(t)
		if strings.ToValidUTF8(text, "") != text {
			continue // JSON has no form for it
		}
		var written strings.Builder
		g.Expect(Report{EdgeRegistries: []Registry{{Name: text}}}.JSON(&written)).To(Succeed())
		g.Expect(strings.ReplaceAll(written.String(), "\n", "")).To(Satisfy(IsPlain))
		var read Report
		g.Expect(json.Unmarshal([]byte(written.String()), &read)).To(Succeed())
		g.Expect(read.EdgeRegistries[0].Name).To(Equal(text))
	}
}

func TestAShellReadsWhatWasQuoted(t *testing.T) {
	for _, shell := range []string{"sh", "dash", "bash"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip(shell + " is not installed")
			}
			for _, text := range hostile {
				if strings.Contains(text, "\x00") {
					continue // no shell has a variable with it
				}
				output, err := exec.CommandContext(t.Context(), path, "-euc", "value="+Quote(text)+"; printf %s \"$value\"").CombinedOutput()
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				NewWithT(t).Expect(string(output)).To(Equal(text))
			}
		})
	}
}

func FuzzSafe(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if safe := Safe(text); !IsPlain(safe) {
			t.Fatalf("%q", safe)
		}
	})
}

// TestEveryReasonThatAsksForSomethingHasAdvice is of the table itself too: the documents are held to the reasons elsewhere.
func TestEveryReasonThatAsksForSomethingHasAdvice(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Advice(edgev1.RegistryExposed, edgev1.ReasonRegistryRemoved)).To(Equal("Set spec.managementState: Managed in the registry's Config"))
	g.Expect(Advice(edgev1.ProjectReady, edgev1.ReasonNotInvited)).To(HavePrefix("Invite the operator for this EdgeRegistry"))
	g.Expect(Advice(edgev1.RegistryVerified, edgev1.ReasonVerifiedWithWarnings)).NotTo(BeEmpty())
	g.Expect(Advice(edgev1.Ready, "NoSuchReason")).To(BeEmpty())
	for _, reason := range []string{edgev1.ReasonPending, edgev1.ReasonConflict, edgev1.ReasonCopiesFailed, edgev1.ReasonServicesFailed, edgev1.ReasonSuspended} {
		g.Expect(Advice(edgev1.Ready, reason)).NotTo(Or(BeEmpty(), ContainSubstring("`"), ContainSubstring("](")), reason)
	}
}
