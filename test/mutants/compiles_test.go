// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

// compiled is a package as the go command built it.
type compiled struct {
	ImportPath, Dir string
	// Export is the file with the types that it exports.
	Export  string
	GoFiles []string
}

// sources are the packages of this module by folder, and an importer of everything that they import.
type sources struct {
	files    *token.FileSet
	packages map[string]compiled
	imports  types.Importer
}

func readSources(t *testing.T, root string) *sources {
	t.Helper()
	g := NewWithT(t)
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./...")
	list.Dir, list.Stderr = root, os.Stderr
	output, err := list.Output()
	g.Expect(err).NotTo(HaveOccurred())
	s := &sources{files: token.NewFileSet(), packages: map[string]compiled{}}
	exports := map[string]string{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); decoder.More(); {
		var one compiled
		g.Expect(decoder.Decode(&one)).To(Succeed())
		s.packages[one.Dir], exports[one.ImportPath] = one, one.Export
	}
	s.imports = importer.ForCompiler(s.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return s
}

// check type-checks a package of which some files have other contents.
func (s *sources) check(of compiled, changed map[string][]byte) error {
	var files []*ast.File
	for _, name := range of.GoFiles {
		path := filepath.Join(of.Dir, name)
		var source any
		if content, is := changed[path]; is {
			source = content
		}
		file, err := parser.ParseFile(s.files, path, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	config := types.Config{Importer: s.imports}
	_, err := config.Check(of.ImportPath, s.files, files, nil)
	return err
}

// A mutant that does not compile would be found out only by whoever runs it, hours later.
func TestEachMutantCompiles(t *testing.T) {
	g := NewWithT(t)
	root, err := manifests.Root()
	g.Expect(err).NotTo(HaveOccurred())
	all := readSources(t, root)
	for _, m := range catalog() {
		t.Run(m.name, func(t *testing.T) {
			g := NewWithT(t)
			changed, err := m.apply(root)
			g.Expect(err).NotTo(HaveOccurred())
			for path := range changed {
				if of, is := all.packages[filepath.Dir(path)]; is && filepath.Ext(path) == ".go" {
					if err := all.check(of, changed); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}
