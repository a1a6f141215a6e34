// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command dist writes what a release consists of: install.yaml for OpenShift and
// install-kubernetes.yaml for other clusters, a static binary for each architecture
// with its bill of materials, the plugin kubectl edgereg for each platform with a manifest for krew, and the checksums of
// all of them. The same commit, version, image and Go release give the same bytes,
// wherever the checkout is. `make dist` runs it.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/edge-registry/edge-registry-operator/hack/manifests"
)

const (
	architectures = "amd64,arm64,ppc64le,s390x"
	checksumFile  = "SHA256SUMS"
)

// installs are the files to install from, by the folders of config/ that they hold.
var installs = map[string]string{"install.yaml": "default", "install-kubernetes.yaml": "overlays/kubernetes"}

// release is what to write, and where.
type release struct {
	root, out      string
	version, image string
	// url is where the files of the release will be.
	url           string
	architectures []string
}

func main() {
	var r release
	archs := flag.String("architectures", architectures, "The architectures to build for, by Go's names, with commas between.")
	flag.StringVar(&r.version, "version", "", "The version that the binaries and the bills of materials tell.")
	flag.StringVar(&r.image, "image", "", "The operator's image in the files to install from.")
	platforms := flag.String("plugin-platforms", pluginPlatforms, "What to build the plugin for, as SYSTEM/ARCHITECTURE, with commas between.")
	flag.StringVar(&r.url, "url", "https://downloads.example.com/edge-registry-operator", "Where the archives of the plugin will be, for krew.")
	flag.StringVar(&r.out, "out", "dist", "The folder to write. What it held before is removed.")
	flag.Parse()
	r.architectures = strings.Split(*archs, ",")

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.write(ctx, strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func (r *release) write(ctx context.Context, platforms []string) (err error) {
	if r.version == "" || r.image == "" {
		return fmt.Errorf("version %q, image %q: set both with -version and -image", r.version, r.image)
	}
	if r.root, err = manifests.Root(); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(r.out); err != nil {
		return fmt.Errorf("find %s: %w", r.out, err)
	}
	if err := os.RemoveAll(r.out); err != nil {
		return fmt.Errorf("empty %s: %w", r.out, err)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", r.out, err)
	}
	for name, folder := range installs {
		if err := r.installYAML(name, folder); err != nil {
			return err
		}
	}
	for _, architecture := range r.architectures {
		binary := filepath.Join(r.out, "edge-registry-operator-linux-"+architecture)
		if err := r.build(ctx, binary, ".", "linux", architecture); err != nil {
			return err
		}
		if err := writeBill(binary, r.version); err != nil {
			return err
		}
	}
	if err := r.plugin(ctx, platforms); err != nil {
		return err
	}
	return checksums(r.out)
}

// installYAML writes a folder of config/ with the image into one file.
func (r *release) installYAML(name, folder string) error {
	objects, err := manifests.Render(filepath.Join(r.root, "config", filepath.FromSlash(folder)))
	if err != nil {
		return err
	}
	if err := manifests.SetImage(objects, r.image); err != nil {
		return err
	}
	var file bytes.Buffer
	fmt.Fprintf(&file, "# Edge Registry Operator %s. Install it with: kubectl apply --server-side -f %s\n", r.version, name)
	for _, object := range objects {
		content, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		fmt.Fprintf(&file, "---\n%s", content)
	}
	return os.WriteFile(filepath.Join(r.out, name), file.Bytes(), 0o644)
}

// build makes a binary that depends on nothing but the sources, the version and
// the Go release: no path, no build id, no state of git, no setting of whoever
// builds it.
func (r *release) build(ctx context.Context, binary, program, system, architecture string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", "-s -w -buildid= -X main.version="+r.version, "-o", binary, program)
	command.Dir = r.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+architecture, "GOFLAGS=", "GOEXPERIMENT=",
		"GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0", "GOPPC64=power8", "GOWORK=off")
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("build %s for %s/%s: %w", program, system, architecture, err)
	}
	return nil
}

// checksums writes the file that `sha256sum --check` reads.
func checksums(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("list %s: %w", folder, err)
	}
	var lines []string
	for _, entry := range entries {
		sum, err := sha256Of(filepath.Join(folder, entry.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sum, entry.Name()))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(folder, checksumFile), []byte(strings.Join(lines, "")), 0o644)
}

func sha256Of(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return hash.Sum(nil), nil
}
