// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package bundlecheck has the bundle judged by the validators of the Operator Lifecycle Manager's own library, which catalogues
// ask before they take one. It has a module of its own, so that the operator's names nothing of theirs.
package bundlecheck

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
	interfaces "github.com/operator-framework/api/pkg/validation/interfaces"
	"sigs.k8s.io/yaml"
)

const (
	folder      = "../../bundle"
	annotations = "operators.operatorframework.io.bundle."
)

// options are what some validators ask for beside the bundle.
var options = map[string]string{"k8s-version": "1.28", "index-path": folder + "/bundle.Dockerfile"}

// left are validators that are not asked, and why.
var left = map[string]string{
	"MultipleArchitecturesValidator": "it pulls the image, which a test must not, and which has no home yet",
}

// validators are all of the library.
var validators = map[string]interfaces.Validator{
	"PackageManifestValidator":          validation.PackageManifestValidator,
	"ClusterServiceVersionValidator":    validation.ClusterServiceVersionValidator,
	"CustomResourceDefinitionValidator": validation.CustomResourceDefinitionValidator,
	"BundleValidator":                   validation.BundleValidator,
	"OperatorHubV2Validator":            validation.OperatorHubV2Validator,
	"StandardCategoriesValidator":       validation.StandardCategoriesValidator,
	"StandardCapabilitiesValidator":     validation.StandardCapabilitiesValidator,
	"ObjectValidator":                   validation.ObjectValidator,
	"OperatorGroupValidator":            validation.OperatorGroupValidator,
	"CommunityOperatorValidator":        validation.CommunityOperatorValidator,
	"AlphaDeprecatedAPIsValidator":      validation.AlphaDeprecatedAPIsValidator,
	"GoodPracticesValidator":            validation.GoodPracticesValidator,
	"MultipleArchitecturesValidator":    validation.MultipleArchitecturesValidator,
}

// metadata are the annotations of the bundle, which its loader does not look for where they are: beside the manifests.
func metadata(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile(folder + "/metadata/annotations.yaml")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	var file struct {
		Annotations map[string]string `json:"annotations"`
	}
	g.Expect(yaml.Unmarshal(content, &file)).To(Succeed())
	return file.Annotations
}

// Errors and warnings alike: what is a warning today a catalogue refuses tomorrow.
func TestTheValidatorsOfOLMPassTheBundle(t *testing.T) {
	bundle, err := manifests.GetBundleFromDir(folder)
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bundle.CSV).NotTo(BeNil())
	g.Expect(bundle.V1CRDs).NotTo(BeEmpty())
	known := metadata(t)
	g.Expect(bundle.Channels).To(Equal([]string{known[annotations+"channels.v1"]}))
	g.Expect(bundle.DefaultChannel).To(Equal(known[annotations+"channel.default.v1"]))
	judged := []any{bundle, bundle.CSV, bundle.V1CRDs[0], options}
	for _, object := range bundle.Objects {
		judged = append(judged, object)
	}
	asked := 0
	for name, validator := range validators {
		if left[name] != "" {
			continue
		}
		asked++
		for _, result := range validator.Validate(judged...) {
			for _, finding := range append(result.Errors, result.Warnings...) {
				t.Errorf("%s: %s: %s", name, result.Name, finding.Error())
			}
		}
	}
	g.Expect(asked+len(left)).To(Equal(len(validation.AllValidators)), "the library has validators that are not listed here")
}

// The channel is named as the guide to channels has it, which a validator warns of only where the name is among the bundle's channels.
func TestTheValidatorsLookAtTheChannel(t *testing.T) {
	g := NewWithT(t)
	bundle, err := manifests.GetBundleFromDir(folder)
	g.Expect(err).NotTo(HaveOccurred())
	bundle.Channels = []string{"no name for a channel"}
	results := validation.GoodPracticesValidator.Validate(bundle, options)
	g.Expect(results).To(HaveLen(1))
	g.Expect(results[0].Warnings).NotTo(BeEmpty())
}
