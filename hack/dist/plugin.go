// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

const pluginName = "kubectl-edgereg"

// pluginPlatforms are what the plugin is built for, by Go's names.
const pluginPlatforms = "linux/amd64,linux/arm64,linux/ppc64le,linux/s390x,darwin/amd64,darwin/arm64,windows/amd64"

// krewPlatform is one archive in the manifest for krew (krew.sigs.k8s.io, "Writing Krew plugin manifests").
type krewPlatform struct {
	Selector krewSelector `json:"selector"`
	URI      string       `json:"uri"`
	SHA256   string       `json:"sha256"`
	Bin      string       `json:"bin"`
}

type krewSelector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// plugin writes an archive of the plugin for each platform, with its bill of materials, and edgereg.yaml for krew.
func (r *release) plugin(ctx context.Context, platforms []string) error {
	var listed []krewPlatform
	for _, platform := range platforms {
		system, architecture, found := strings.Cut(platform, "/")
		if !found {
			return fmt.Errorf("platform %q: write it as SYSTEM/ARCHITECTURE", platform)
		}
		one, err := r.pluginArchive(ctx, system, architecture)
		if err != nil {
			return err
		}
		listed = append(listed, one)
	}
	return r.krewManifest(listed)
}

func (r *release) pluginArchive(ctx context.Context, system, architecture string) (krewPlatform, error) {
	base := filepath.Join(r.out, pluginName+"_"+system+"_"+architecture)
	if err := r.build(ctx, base, "./cmd/"+pluginName, system, architecture); err != nil {
		return krewPlatform{}, err
	}
	if err := writeBill(base, r.version); err != nil {
		return krewPlatform{}, err
	}
	bin := pluginName
	if system == "windows" {
		bin += ".exe"
	}
	files := map[string]string{
		bin:                        base,
		"LICENSE":                  filepath.Join(r.root, "LICENSE"),
		"kubectl_complete-edgereg": filepath.Join(r.root, "cmd", pluginName, "kubectl_complete-edgereg"),
	}
	archive := base + ".tar.gz"
	if err := writeArchive(archive, []string{bin, "LICENSE", "kubectl_complete-edgereg"}, files); err != nil {
		return krewPlatform{}, err
	}
	if err := os.Remove(base); err != nil {
		return krewPlatform{}, fmt.Errorf("remove what is in the archive: %w", err)
	}
	sum, err := sha256Of(archive)
	if err != nil {
		return krewPlatform{}, err
	}
	return krewPlatform{
		Selector: krewSelector{map[string]string{"os": system, "arch": architecture}},
		URI:      strings.TrimSuffix(r.url, "/") + "/" + filepath.Base(archive), SHA256: fmt.Sprintf("%x", sum), Bin: bin,
	}, nil
}

// writeArchive writes files into a .tar.gz that is the same whenever and by whomever it is made.
func writeArchive(path string, names []string, files map[string]string) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make the archive: %w", err)
	}
	defer out.Close()
	zipped := gzip.NewWriter(out)
	archive := tar.NewWriter(zipped)
	for _, name := range names {
		if err := addFile(archive, name, files[name]); err != nil {
			return fmt.Errorf("put %s into %s: %w", name, path, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	if err := zipped.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return out.Close()
}

func addFile(archive *tar.Writer, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := int64(0o755)
	if name == "LICENSE" {
		mode = 0o644
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: info.Size(), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}

// krewManifest writes config/krew/edgereg.yaml with version, addresses and sums.
func (r *release) krewManifest(platforms []krewPlatform) error {
	text, err := os.ReadFile(filepath.Join(r.root, "config", "krew", "edgereg.yaml"))
	if err != nil {
		return fmt.Errorf("read the manifest for krew: %w", err)
	}
	var manifest map[string]any
	if err := yaml.Unmarshal(text, &manifest); err != nil {
		return fmt.Errorf("read the manifest for krew: %w", err)
	}
	spec, ok := manifest["spec"].(map[string]any)
	if !ok {
		return fmt.Errorf("the manifest for krew has no spec")
	}
	// Krew takes no version without the v.
	spec["version"], spec["platforms"] = "v"+strings.TrimPrefix(r.version, "v"), platforms
	filled, err := yaml.Marshal(manifest)
	if err != nil {
		return fmt.Errorf("encode the manifest for krew: %w", err)
	}
	return os.WriteFile(filepath.Join(r.out, "edgereg.yaml"), filled, 0o644)
}
