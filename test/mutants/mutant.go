// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is a bug that is put into the operator to see whether a test notices it.
type mutant struct {
	name string
	// pattern is the mistake, as others have made it.
	pattern string
	// edits make the bug.
	edits []edit
	// guards are the tests that have to notice it, in the order in which they are asked.
	guards []guard
}

// edit replaces a text of a file of the operator. The file is named from the root of the repository, and holds the
// text exactly once.
type edit struct{ file, old, new string }

// guard is tests of one package, chosen by a pattern of go test.
type guard struct {
	folder, run string
	// whole: all cases of a suite of faults, and not its sample.
	whole bool
}

// sampled are cases of the faults that the sample of each pull request holds.
func sampled(run string) guard { return guard{folder: "test/faults", run: run} }

// faults are cases of the faults that only the whole suite may hold.
func faults(run string) guard { return guard{folder: "test/faults", run: run, whole: true} }

// controllers are tests of the package of that name.
func controllers(run string) guard { return guard{folder: "controllers", run: run} }

// byRegistry are tests of internal/registry.
func byRegistry(run string) guard { return guard{folder: "internal/registry", run: run} }

// ofExchange are tests of internal/exchange.
func ofExchange(run string) guard { return guard{folder: "internal/exchange", run: run} }

// within are tests of a package within controllers.
func within(name, run string) guard { return guard{folder: "controllers/" + name, run: run} }

// binary are tests of the manager as it is built.
func binary(run string) guard { return guard{folder: ".", run: run} }

// apply returns the files that the edits change, with their new content.
func (m mutant) apply(root string) (map[string][]byte, error) {
	changed := map[string][]byte{}
	for _, e := range m.edits {
		file := filepath.Join(root, e.file)
		content, known := changed[file]
		if !known {
			var err error
			if content, err = os.ReadFile(file); err != nil {
				return nil, err
			}
		}
		if found := strings.Count(string(content), e.old); found != 1 {
			return nil, fmt.Errorf("mutant %s: %s holds this %d times and not once, bring the mutant up to date:\n%s", m.name, e.file, found, e.old)
		}
		changed[file] = []byte(strings.Replace(string(content), e.old, e.new, 1))
	}
	return changed, nil
}

// overlay writes the mutated files to a folder, and beside them the overlay that has the go command compile them in place of the real ones.
func (m mutant) overlay(root, folder string) (string, error) {
	changed, err := m.apply(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, content := range changed {
		// Files of several packages may have one name.
		replace[file] = filepath.Join(folder, fmt.Sprintf("%d-%s", len(replace), filepath.Base(file)))
		if err := os.WriteFile(replace[file], content, 0o600); err != nil {
			return "", err
		}
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, content, 0o600)
}

// catalog is all mutants.
func catalog() []mutant {
	return slices.Concat(ofTokens, ofObjects, ofPlatform, ofVerdicts, ofConsent, ofOtherRegistries, ofHarbor, ofIBMCloud, ofTheExchange,
		ofHandingOver, ofInputs, ofPlugin, ofTools)
}
