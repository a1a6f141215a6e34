// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command kubectl-edgereg is the kubectl plugin of the Edge Registry Operator: `kubectl edgereg`.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/command"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	// What the libraries log is for operators; the command itself prints errors.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	plugin := &command.Plugin{
		Version: version, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stdout.Fd())), Getenv: os.Getenv,
		Root: os.Geteuid() == 0, System: runtime.GOOS, Now: time.Now, Poll: time.Second,
	}
	status := plugin.Run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}
