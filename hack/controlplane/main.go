// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command controlplane puts the programs of the test control plane into a folder: etcd, kube-apiserver,
// kube-controller-manager and kubectl, in the versions that modules/go.mod pins. It takes the official builds where they can
// be reached, and builds them otherwise. `make controlplane` runs it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Modules whose versions the programs have.
const (
	etcdModule       = "go.etcd.io/etcd/server/v3"
	kubernetesModule = "k8s.io/kubernetes"
)

// program is one of the programs, by the name of its file and the package that it is built from.
type program struct{ name, pkg string }

var programs = []program{
	{"etcd", etcdModule},
	{"kube-apiserver", kubernetesModule + "/cmd/kube-apiserver"},
	{"kube-controller-manager", kubernetesModule + "/cmd/kube-controller-manager"},
	{"kubectl", kubernetesModule + "/cmd/kubectl"},
}

// plane is what is to be done.
type plane struct {
	// modules is the folder of go.mod, and folder where the programs go.
	modules, folder string
	// versions are those of the modules.
	versions map[string]string
	// official is where the official builds are; nil to build at once.
	official *official
	// build builds programs from their packages.
	build    func(context.Context, []program) error
	progress *progress
}

func main() {
	from := flag.String("from", "download", "Where the programs come from: download takes the official builds where they can be reached, build builds them.")
	kubernetes := flag.String("kubernetes-url", "https://dl.k8s.io/release", "Where the official builds of Kubernetes are, or a mirror of them.")
	etcd := flag.String("etcd-url", "https://github.com/etcd-io/etcd/releases/download", "Where the official builds of etcd are, or a mirror of them.")
	modules := flag.String("modules", filepath.Join("hack", "controlplane", "modules"), "The folder of the go.mod that pins the versions.")
	limit := flag.Duration("limit", 10*time.Second, "How long a server may say nothing, before the programs are built instead.")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: controlplane [flags] FOLDER")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var servers *official
	if *from == "download" {
		servers = &official{kubernetes: *kubernetes, etcd: *etcd, limit: *limit, client: &http.Client{CheckRedirect: staySecure}}
	}
	err := errors.New("usage: controlplane [-from=download|build] FOLDER")
	if flag.NArg() == 1 && (servers != nil || *from == "build") {
		err = run(ctx, *modules, flag.Arg(0), servers, os.Stderr)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, modules, folder string, servers *official, out *os.File) error {
	p := &plane{modules: modules, official: servers, progress: newProgress(out)}
	var err error
	if p.folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	if p.versions, err = pinned(ctx, p.modules); err != nil {
		return err
	}
	p.build = p.compile
	return p.provide(ctx)
}

// pinned are the versions that a go.mod pins, by the path of the module. It asks no network.
func pinned(ctx context.Context, modules string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	cmd.Dir = modules
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(modules, "go.mod"), err)
	}
	var file struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &file); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(modules, "go.mod"), err)
	}
	versions := map[string]string{}
	for _, module := range file.Require {
		versions[module.Path] = module.Version
	}
	for _, needed := range []string{etcdModule, kubernetesModule} {
		if versions[needed] == "" {
			return nil, fmt.Errorf("%s pins no version of %s", filepath.Join(modules, "go.mod"), needed)
		}
	}
	return versions, nil
}

// provide puts the programs that are missing, or older than their pins, into the folder.
func (p *plane) provide(ctx context.Context) error {
	if err := os.MkdirAll(p.folder, 0o755); err != nil {
		return err
	}
	missing, err := p.missing()
	if err != nil || len(missing) == 0 {
		return err
	}
	if p.official != nil {
		err := p.download(ctx, missing)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			return nil
		}
		p.progress.say("the official builds are not taken: %s; building instead (CONTROLPLANE=build does so at once)", oneLine(err))
		if missing, err = p.missing(); err != nil {
			return err
		}
	}
	return p.build(ctx, missing)
}

// missing are the programs that are not in the folder, or not newer than their pins.
func (p *plane) missing() ([]program, error) {
	var pins time.Time
	for _, name := range []string{"go.mod", "go.sum"} {
		info, err := os.Stat(filepath.Join(p.modules, name))
		if err != nil {
			return nil, err
		}
		if info.ModTime().After(pins) {
			pins = info.ModTime()
		}
	}
	var missing []program
	for _, program := range programs {
		if info, err := os.Stat(filepath.Join(p.folder, program.name)); err != nil || !info.ModTime().After(pins) {
			missing = append(missing, program)
		}
	}
	return missing, nil
}

// place writes a program under another name first: one that was interrupted must not look finished.
func (p *plane) place(name string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(p.folder, "."+name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = errors.Join(write(file), file.Chmod(0o755), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(p.folder, name))
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
