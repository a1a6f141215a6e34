// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command olm has the Operator Lifecycle Manager's own validators judge the bundle, all suites that are required of one that
// is offered, and those that the catalogue of OperatorHub adds. `make verify` runs it. It has a module of its own, so that
// nothing which ships depends on what it needs.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	"github.com/operator-framework/api/pkg/validation/errors"
	validators "github.com/operator-framework/api/pkg/validation/interfaces"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "olm:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: olm BUNDLE")
	}
	bundle, err := manifests.GetBundleFromDir(args[0])
	if err != nil {
		return fmt.Errorf("read the bundle: %w", err)
	}
	suites := validators.Validators{
		validation.OperatorHubV2Validator, validation.StandardCapabilitiesValidator, validation.StandardCategoriesValidator,
		validation.GoodPracticesValidator, validation.MultipleArchitecturesValidator,
	}
	failed := report(out, validation.DefaultBundleValidators.Validate(bundle.ObjectsToValidate()...))
	failed += report(out, suites.Validate(bundle))
	if failed > 0 {
		return fmt.Errorf("%d faults in %s", failed, args[0])
	}
	return nil
}

// report prints what the validators found, and returns how much of it is a fault.
func report(out io.Writer, results []errors.ManifestResult) int {
	failed := 0
	for _, result := range results {
		for _, fault := range result.Errors {
			_, _ = fmt.Fprintf(out, "error: %s: %s\n", result.Name, fault.Error())
			failed++
		}
		for _, doubt := range result.Warnings {
			if accepted[doubt.Detail] == "" {
				_, _ = fmt.Fprintf(out, "warning: %s: %s\n", result.Name, doubt.Error())
				failed++
			}
		}
	}
	return failed
}

// accepted are warnings that stand, each with the reason.
var accepted = map[string]string{}
