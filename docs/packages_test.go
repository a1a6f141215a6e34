// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var (
	goFile     = regexp.MustCompile(`\b\w+\.go\b`)
	fileInList = regexp.MustCompile(`(?m)^\t(\w+\.go +)\S`)
)

// TestThePackageCommentNamesEveryFile holds the doc.go of each package of the controllers, and of others that have a list, to
// the files that are there.
func TestThePackageCommentNamesEveryFile(t *testing.T) {
	packages := 0
	for _, root := range []string{"../controllers", "../internal/exchange", "../internal/harbor", "../internal/ibmcloud",
		"../test/exchange", "../test/harbor", "../test/ibmcloud", "../test/standin",
		"../cmd/kubectl-edgereg/cluster", "../cmd/kubectl-edgereg/command", "../cmd/kubectl-edgereg/show"} {
		err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.go"))
			if err != nil || len(files) == 0 {
				return err
			}
			packages++
			t.Run(strings.TrimPrefix(filepath.ToSlash(dir), "../"), func(t *testing.T) { holdsEveryFile(t, dir, files) })
			return nil
		})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
	}
	NewWithT(t).Expect(packages).To(BeNumerically(">=", 8))
}

func holdsEveryFile(t *testing.T, dir string, files []string) {
	t.Helper()
	g := NewWithT(t)
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, "doc.go"), nil, parser.ParseComments|parser.PackageClauseOnly)
	g.Expect(err).NotTo(HaveOccurred())
	comment := parsed.Doc.Text()

	var listed []string
	for _, match := range fileInList.FindAllStringSubmatch(comment, -1) {
		g.Expect(match[1]).To(HaveLen(len(fileInList.FindStringSubmatch(comment)[1])), "the list is aligned")
		listed = append(listed, strings.TrimSpace(match[1]))
	}
	var there []string
	for _, file := range files {
		if name := filepath.Base(file); name != "doc.go" && !strings.HasSuffix(name, "_test.go") {
			there = append(there, name)
		}
	}
	g.Expect(listed).To(ConsistOf(there))
	for _, named := range goFile.FindAllString(comment, -1) {
		g.Expect(slices.Contains(there, named)).To(BeTrue(), "there is a file %s", named)
	}
}

// TestNoProviderIsNamedInInternal keeps the shared packages true of every registry, in their comments and messages too.
func TestNoProviderIsNamedInInternal(t *testing.T) {
	files, err := filepath.Glob("../internal/*/*.go")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(files)).To(BeNumerically(">", 20))
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			g.Expect(strings.Contains(strings.ToLower(read(t, file)), "openshift")).To(BeFalse(), "%s names OpenShift", file)
		}
	}
}
