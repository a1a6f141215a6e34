// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// The benchmark weighs watches in another process of itself, which here is the test.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "-hold-watches=") {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestAFewObjectsGoThroughEveryMeasure(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	manager := filepath.Join(dir, "manager")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", manager, "../..").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	var progress strings.Builder
	g.Expect(run(t.Context(), quick, manager, dir, &progress)).To(Succeed(), "%s", &progress)

	page, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
	g.Expect(err).NotTo(HaveOccurred())
	rest := string(page)
	for _, text := range []string{
		"one object, applied to Ready", "<= 1.10x", "against the documented commands", "service account is back", "a deleted bound Secret",
		"2 copies of a Secret made", "resident for each of 2 copies", "one object of another registry, applied to Ready", "3 objects at once, all Ready", "rotation of 3 objects", "fail-over with 4 objects: mints | none |",
		"at rest with 4 objects: writes | none |", "resident with no object", "resident with 3 objects",
		"with 50 Secrets of others", "restart with 3 objects: writes | none |",
		"| create serviceaccounts/token | 2 | 2 |", "| patch secrets | 2 | 2 |", "One rotation of both tokens: ",
		"One object of [another registry](registries.md), from nothing until it rests: ", "3 create secrets", "; and the bare client: ", "At rest, for all objects: none.",
	} {
		_, after, found := strings.Cut(rest, text)
		g.Expect(found).To(BeTrue(), "%q is missing after what came before it in:\n%s", text, page)
		rest = after
	}
	expectXML(t, filepath.Join(dir, "benchmarks.svg"))
}

func expectXML(t *testing.T, path string) {
	t.Helper()
	g := NewWithT(t)
	file, err := os.Open(path)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = file.Close() }()
	decoder, elements := xml.NewDecoder(file), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		if _, starts := token.(xml.StartElement); starts {
			elements++
		}
	}
	g.Expect(elements).To(BeNumerically(">", 20))
}

func TestFigures(t *testing.T) {
	g := NewWithT(t)
	g.Expect(median([]time.Duration{9, 1, 5})).To(Equal(time.Duration(5)))
	sent := requests{
		"create secrets": 2, "create serviceaccounts/token": 1, "get namespaces": 3, "watch secrets": 4,
		"update leases": 5, "get leases": 6, "create selfsubjectreviews": 7,
	}
	g.Expect(sent.writes()).To(Equal(requests{"create secrets": 2, "create serviceaccounts/token": 1}))
	g.Expect(sent.reads()).To(Equal(requests{"get namespaces": 3}))
	g.Expect(sent.mints()).To(Equal(requests{"create serviceaccounts/token": 1}))
	g.Expect(sent.reads().String()).To(Equal("3 get namespaces"))
	g.Expect(requests{}.String()).To(Equal("none"))

	var r report
	r.compare("a", []time.Duration{3}, []time.Duration{2}, 1.5)
	r.compare("b", []time.Duration{3}, []time.Duration{2}, 1.4)
	r.count("c", sent.mints())
	r.atMost("d", 71, 70)
	var verdicts []string
	for _, row := range r.Rows {
		verdicts = append(verdicts, row.Verdict)
	}
	g.Expect(verdicts).To(Equal([]string{"met", "**missed**", "**missed**", "**missed**"}))
}
