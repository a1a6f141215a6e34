// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// TestIBMsCoreForGoAgrees drives the exchange of a key for a token with what all of IBM's clients for Go use for that.
func TestIBMsCoreForGoAgrees(t *testing.T) {
	g := NewWithT(t)
	w := New(Options{Delays: &Delays{}})
	t.Cleanup(w.Close)
	w.AddAccount(plant, AccountOptions{})
	owner := w.AddKey(w.Owner(plant))
	program := filepath.Join(t.TempDir(), "core")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".")
	build.Dir = filepath.Join(env.RepoRoot(), "test/ibmcloud/core")
	if output, err := build.CombinedOutput(); err != nil {
		t.Skipf("IBM's core for Go does not build here: %s", output)
	}
	input, err := json.Marshal(map[string]string{"Address": w.Address, "CA": string(w.CA.PEM()), "Key": owner.Value()})
	g.Expect(err).NotTo(HaveOccurred())
	run := exec.CommandContext(t.Context(), program)
	run.Stdin = strings.NewReader(string(input))
	output, err := run.CombinedOutput()
	g.Expect(string(output)).NotTo(ContainSubstring(owner.Value()))
	g.Expect(err).NotTo(HaveOccurred(), "%s", output)
	g.Expect(strings.Split(strings.TrimSpace(string(output)), "\n")).To(Equal([]string{
		"the token is kept: true", "a service is answered: 200 true", "another is refused: 400",
	}))
	g.Expect(w.Count(func(c standin.Call) bool { return c.Path == "/identity/token" })).To(Equal(2))
	g.Expect(w.Exposed()).To(BeEmpty())
}
