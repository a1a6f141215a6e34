// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bundle writes the folder bundle/ for the Operator Lifecycle Manager,
// OLM for short, and the samples of the OpenShift console, from the kustomizations
// in config/. `make bundle` runs it.
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const (
	packageName = "edge-registry-operator"
	channel     = "candidate"
	generated   = "# Written by `make bundle` from config/.\n"
)

func main() {
	version := flag.String("version", "", "The semantic version of the release, without a v.")
	image := flag.String("image", "", "The operator's image. Only with a digest is the bundle fit for disconnected clusters.")
	flag.Parse()
	if err := run(*version, *image); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(version, image string) error {
	if version == "" || image == "" {
		return fmt.Errorf("version %q, image %q: set both with -version and -image", version, image)
	}
	root, err := manifests.Root()
	if err != nil {
		return err
	}
	files, err := generate(root, version, image)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(root, "bundle")); err != nil {
		return fmt.Errorf("empty bundle/: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the folder of %s: %w", name, err)
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// generate returns the files by their paths below the root.
func generate(root, version, image string) (map[string]string, error) {
	objects, err := manifests.Render(filepath.Join(root, "config", "manifests"))
	if err != nil {
		return nil, err
	}
	if err := manifests.SetImage(objects, image); err != nil {
		return nil, err
	}
	p, err := sortOut(objects)
	if err != nil {
		return nil, err
	}
	samples, err := readSamples(root)
	if err != nil {
		return nil, err
	}
	icon, err := os.ReadFile(filepath.Join(root, "config", "manifests", "icon.svg"))
	if err != nil {
		return nil, fmt.Errorf("read the icon: %w", err)
	}
	files := map[string]string{}
	if files["bundle/grants.yaml"], err = documents(p.grants...); err != nil {
		return nil, err
	}
	csv := &csvWriter{parts: p, version: version, image: image, icon: icon, samples: samples, grants: files["bundle/grants.yaml"]}
	if err := csv.fill(); err != nil {
		return nil, err
	}
	for _, object := range append(p.manifests, p.crd, p.csv) {
		if files["bundle/manifests/"+fileName(object)], err = documents(object); err != nil {
			return nil, err
		}
	}
	if files["config/console/yaml_samples.yaml"], err = documents(yamlSamples(samples)...); err != nil {
		return nil, err
	}
	if files["bundle/tests/scorecard/config.yaml"], err = scorecard(root); err != nil {
		return nil, err
	}
	return files, metadata(files)
}

// metadata adds the annotations of the bundle, once as a file and once as labels of its image.
func metadata(files map[string]string) error {
	const prefix = "operators.operatorframework.io."
	annotations := map[string]string{
		prefix + "bundle.mediatype.v1":       "registry+v1",
		prefix + "bundle.manifests.v1":       "manifests/",
		prefix + "bundle.metadata.v1":        "metadata/",
		prefix + "bundle.package.v1":         packageName,
		prefix + "bundle.channels.v1":        channel,
		prefix + "bundle.channel.default.v1": channel,
		prefix + "test.mediatype.v1":         "scorecard+v1",
		prefix + "test.config.v1":            "tests/scorecard/",
		// Kubernetes 1.28 and later, as minKubeVersion says.
		"com.redhat.openshift.versions": "v4.15",
	}
	content, err := yaml.Marshal(map[string]any{"annotations": annotations})
	if err != nil {
		return fmt.Errorf("encode the annotations: %w", err)
	}
	files["bundle/metadata/annotations.yaml"] = generated + string(content)

	var dockerfile strings.Builder
	dockerfile.WriteString(generated + "FROM scratch\n")
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		fmt.Fprintf(&dockerfile, "LABEL %s=%s\n", key, annotations[key])
	}
	dockerfile.WriteString("COPY manifests /manifests/\nCOPY metadata /metadata/\nCOPY tests/scorecard /tests/scorecard/\n")
	files["bundle/bundle.Dockerfile"] = dockerfile.String()
	return nil
}

func scorecard(root string) (string, error) {
	objects, err := manifests.Render(filepath.Join(root, "config", "scorecard"))
	if err != nil {
		return "", err
	}
	return documents(objects...)
}
