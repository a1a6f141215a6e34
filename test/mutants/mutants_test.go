// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

// A mutant whose text was changed since would catch nothing and nobody would know.
func TestEachMutantStillApplies(t *testing.T) {
	g := NewWithT(t)
	root, err := manifests.Root()
	g.Expect(err).NotTo(HaveOccurred())
	names := map[string]bool{}
	for _, m := range catalog() {
		t.Run(m.name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(names).NotTo(HaveKey(m.name))
			names[m.name] = true
			g.Expect(m.pattern).NotTo(BeEmpty())
			g.Expect(m.guards).NotTo(BeEmpty())
			changed, err := m.apply(root)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(changed).NotTo(BeEmpty())
		})
	}
}

func TestEachMutantIsInTheDocuments(t *testing.T) {
	g := NewWithT(t)
	root, err := manifests.Root()
	g.Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(filepath.Join(root, "docs", "internal", "reliability.md"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, m := range catalog() {
		g.Expect(strings.Contains(string(page), "\n| `"+m.name+"` | "+m.pattern+" |")).To(BeTrue(), "%s, and its pattern: %s", m.name, m.pattern)
	}
	g.Expect(string(page)).To(ContainSubstring("There are %d. ", len(catalog())))
}

func TestFilesOfOneNameAreToldApart(t *testing.T) {
	g := NewWithT(t)
	root, folder := t.TempDir(), t.TempDir()
	m := mutant{name: "two"}
	for _, of := range []string{"a", "b"} {
		g.Expect(os.Mkdir(filepath.Join(root, of), 0o700)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(root, of, "x.go"), []byte("package "+of), 0o600)).To(Succeed())
		m.edits = append(m.edits, edit{of + "/x.go", "package " + of, "package " + of + of})
	}
	path, err := m.overlay(root, folder)
	g.Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	var overlay struct{ Replace map[string]string }
	g.Expect(json.Unmarshal(content, &overlay)).To(Succeed())
	for _, of := range []string{"a", "b"} {
		mutated, err := os.ReadFile(overlay.Replace[filepath.Join(root, of, "x.go")])
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(mutated)).To(Equal("package " + of + of))
	}
}

func TestTheFirstFailureIsFoundInWhatGoTestPrints(t *testing.T) {
	for output, want := range map[string]string{
		"=== RUN   TestA\n    --- FAIL: TestA/one (0.1s)\n--- FAIL: TestA (0.2s)\nFAIL\n": "TestA/one",
		"--- FAIL: TestA (0.2s)\n    --- FAIL: TestA/one (0.1s)\nFAIL\n":                  "TestA/one",
		"--- FAIL: TestA (0.2s)\nFAIL\n":                                                  "TestA",
		"panic: index out of range\n\ngoroutine 1\n":                                      "panic: index out of range",
		"ok\na token shows in: [log]\nFAIL\n":                                             "a token shows in: ",
		"./x.go:3: undefined: y\nFAIL\tcontrollers [build failed]\n":                      "",
	} {
		NewWithT(t).Expect(noticed([]byte(output))).To(Equal(want))
	}
}
