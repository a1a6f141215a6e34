// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/command"
)

// TestTheExitStatusesAreDocumented holds the table to the help.
func TestTheExitStatusesAreDocumented(t *testing.T) {
	g := NewWithT(t)
	var help strings.Builder
	plugin := &command.Plugin{Out: &help, Err: &help}
	g.Expect(plugin.Run(t.Context(), []string{"status", "--help"})).To(Equal(command.ExitDone))
	_, statuses, _ := strings.Cut(help.String(), "EXIT STATUS\n")
	statuses, _, _ = strings.Cut(statuses, "\n\n")
	printed := 0
	for line := range strings.Lines(statuses) {
		number, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
		row := "| " + number + " | " + strings.NewReplacer("status", "`status`", "why", "`why`", "verify", "`verify`").Replace(meaning) + " |"
		g.Expect(strings.ReplaceAll(read(t, "plugin.md"), "`", "")).To(ContainSubstring(strings.ReplaceAll(row, "`", "")))
		printed++
	}
	g.Expect(printed).To(Equal(6))
	for _, verb := range []string{"status", "why", "login", "env", "bootstrap", "rotate", "verify"} {
		g.Expect(regexp.MustCompile("(?m)^\\| `"+verb+" ").MatchString(read(t, "plugin.md"))).To(BeTrue(), verb)
	}
}
