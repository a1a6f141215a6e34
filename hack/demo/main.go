// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo shows the operator at work on a control plane of its own, from the
// first object to the last: it needs no cluster and no container engine, and
// leaves nothing behind. KEEP=1 leaves it running until Ctrl-C. What is shown is
// the provider for OpenShift's own registry, with -provider=ibmcloud that for IBM
// Cloud Container Registry, with -provider=external that for any private registry,
// or with -provider=harbor the robots that it makes in Harbor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/edge-registry/edge-registry-operator/test/env"
)

const (
	pollInterval = 50 * time.Millisecond
	// patience bounds each wait; an idle machine needs a small part of it.
	patience = 2 * time.Minute
	// interruptedCode is what shells report of a program that ended by SIGINT.
	interruptedCode = 130
)

var (
	// errKept ends a demo that was kept running until it was interrupted.
	errKept = errors.New("kept until interrupted")
	// errManagerEnded is the cause of a context that ended with the manager.
	errManagerEnded = errors.New("the manager ended by itself")
)

// demo is one run. Its parts are nil until they have started.
type demo struct {
	term    *terminal
	binary  string // the manager's
	keep    bool
	started time.Time

	temporary string // the one folder in which everything is made
	output    *tail  // what the control plane printed last
	control   *env.Env
	api       client.WithWatch
	manager   *manager
	provider  provider
	sample    string // path of the EdgeRegistry that is applied
	// fail ends the run for a cause outside of the running act.
	fail context.CancelCauseFunc
}

// act is one part of the demo.
type act struct {
	title string
	play  func(ctx context.Context) error
}

func main() {
	binary := flag.String("manager", filepath.Join("bin", "manager"), "The manager's binary, as `make build` writes it.")
	name := flag.String("provider", "openshift", "The provider that is shown: openshift, ibmcloud, external or harbor.")
	registry := flag.String("registry", filepath.Join("bin", "registry"), "The registry's binary, as `make demo PROVIDER=external` and the others but openshift build it.")
	flag.Parse()
	os.Exit(run(*binary, *name, *registry))
}

// run runs the acts of the demo and returns the exit code of the process.
func run(binary, provider, registry string) int {
	// A second signal changes nothing: the first one's clean-up takes seconds.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// `make demo | head` has to clean up too. While somebody listens for this signal, a write
	// to the closed pipe is an error and no longer the end of the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctrllog.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())

	d := &demo{
		binary: binary, keep: os.Getenv("KEEP") != "" && os.Getenv("KEEP") != "0",
		started: time.Now(), output: &tail{},
	}
	err := d.choose(provider, registry)
	if err == nil {
		err = d.run(ctx)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "\ndemo: %s\n", strings.Join(strings.Fields(err.Error()), " "))
	if ctx.Err() != nil {
		return interruptedCode
	}
	return 1
}

func (d *demo) acts() []act {
	acts := d.provider.acts()
	if d.keep {
		return append(acts, act{"Your turn", d.stayUp})
	}
	return append(acts, act{"The end of the object", d.provider.end})
}

func (d *demo) run(ctx context.Context) (err error) {
	interrupted := ctx
	ctx, d.fail = context.WithCancelCause(ctx)
	d.term = newTerminal(os.Stdout, d.fail)
	defer func() {
		if err != nil && interrupted.Err() == nil {
			d.showLogs()
		}
		d.fail(nil)
		err = errors.Join(err, d.cleanUp(interrupted.Err() != nil))
		if err == nil && interrupted.Err() == nil {
			d.summarize()
		}
	}()
	if err := d.prepare(); err != nil {
		return err
	}
	for _, act := range d.acts() {
		d.term.title(act.title)
		err := act.play(ctx)
		switch {
		case errors.Is(err, errKept):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
	}
	return nil
}

// prepare makes paths that are shown those that are used, and the scratch folder.
func (d *demo) prepare() error {
	binary, err := filepath.Abs(d.binary)
	if err != nil {
		return fmt.Errorf("find the manager: %w", err)
	}
	if err := os.Chdir(env.RepoRoot()); err != nil {
		return fmt.Errorf("enter the checkout: %w", err)
	}
	if info, err := os.Stat(binary); err != nil || info.IsDir() {
		return fmt.Errorf("the manager is missing at %s: run `make build`", binary)
	}
	d.binary = binary
	if d.temporary, err = os.MkdirTemp("", "edge-registry-demo-"); err != nil {
		return fmt.Errorf("make the scratch folder: %w", err)
	}
	// Whatever makes temporary files, here or in a child, makes them in this folder.
	if err := os.Setenv("TMPDIR", d.temporary); err != nil {
		return fmt.Errorf("name the scratch folder: %w", err)
	}
	return nil
}

// cleanUp stops every process and removes every file, in the reverse order of their start.
func (d *demo) cleanUp(interrupted bool) error {
	if d.temporary == "" {
		return nil
	}
	d.term.gap()
	text := "stop everything and remove the scratch folder"
	if interrupted {
		text = "interrupted: " + text
	}
	return d.term.task(text, func() error {
		if d.manager != nil {
			d.manager.stop()
		}
		d.provider.stop()
		var err error
		if d.control != nil {
			err = d.control.Stop()
		}
		if err = errors.Join(err, os.RemoveAll(d.temporary)); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
		return nil
	})
}

// showLogs prints what is worth reading after a failure, since no file outlives the run.
func (d *demo) showLogs() {
	if d.manager != nil {
		d.term.block("the manager's last lines", lastLines(d.manager.log))
		return
	}
	d.term.block("the control plane's last lines", d.output.String())
}

func (d *demo) summarize() {
	d.term.title("What you saw, in " + seconds(time.Since(d.started)))
	for _, line := range d.provider.summary() {
		d.term.print(line)
	}
}
