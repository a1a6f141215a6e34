// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edge-registry/edge-registry-operator/controllers"
)

// Manager is one incarnation of the operator with its caches, queue and watches, in this process, by the manager driver.
// Of the EdgeRegistries it sees that of its case alone, so that cases can run beside each other.
type Manager struct {
	*controllers.EdgeRegistryReconciler
	*Wire
	c      *Case
	cancel context.CancelFunc
	done   chan struct{}
}

// NewManager starts an incarnation, which ends with the test or by Stop. It works at once, unless there is an election.
func (c *Case) NewManager(plan Plan, election ...Election) *Manager {
	c.T.Helper()
	m := &Manager{c: c, Wire: &Wire{Name: c.Edge.Name, Plan: plan}, done: make(chan struct{})}
	m.EdgeRegistryReconciler = &controllers.EdgeRegistryReconciler{
		Namespace: operatorNamespace, Clock: c.Clock, DialContext: c.World.OpenShift.DialContext, MaxConcurrentReconciles: 2,
	}
	cfg := m.Wrap(c.World.Operator)
	cfg.Wrap(c.alone)
	options := ctrl.Options{
		Logger:                  c.Told.logger(),
		Metrics:                 metricsserver.Options{BindAddress: "0"},
		Controller:              config.Controller{SkipNameValidation: ptr.To(true)},
		GracefulShutdownTimeout: ptr.To(time.Second),
	}
	for _, e := range election {
		e.stand(&options, c.Edge.Name)
	}
	mgr, err := controllers.NewManager(cfg, options, m.EdgeRegistryReconciler)
	c.must(err, "set up the manager")
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx))
	m.cancel = cancel
	go func() {
		defer close(m.done)
		if err := mgr.Start(ctx); err != nil && !m.Dead() {
			c.Told.Println(err)
		}
	}()
	c.T.Cleanup(m.Stop)
	c.lives = append(c.lives, m.Wire)
	return m
}

// alone narrows each list and watch of EdgeRegistries to that of the case.
func (c *Case) alone(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/edgeregistries") {
			r = r.Clone(r.Context())
			query := r.URL.Query()
			query.Set("fieldSelector", "metadata.name="+c.Edge.Name)
			r.URL.RawQuery = query.Encode()
		}
		return next.RoundTrip(r)
	})
}

// Stop kills the incarnation, as SIGKILL would: nothing of it gets through any more.
func (m *Manager) Stop() {
	m.Kill()
	m.cancel()
	<-m.done
}

// End has the incarnation end as SIGTERM does.
func (m *Manager) End() {
	m.cancel()
	<-m.done
}

// Ended is closed when the incarnation has ended, by itself or not.
func (m *Manager) Ended() <-chan struct{} { return m.done }

// Work waits until the incarnation has done each step and left what an undisturbed one leaves, or until it is dead.
func (m *Manager) Work() {
	m.c.T.Helper()
	m.c.work(m.Wire)
}

// work is Work of an incarnation that nobody has to push.
func (c *Case) work(life *Wire) {
	c.T.Helper()
	for {
		c.await("operator at rest", func() bool { return life.Dead() || c.atRest() })
		if life.Dead() || !c.ask() {
			break
		}
	}
	// The status may say so from before the work was asked for.
	reference := c.Workload.Reference(c.T, c.World)
	for deadline := time.Now().Add(soon); !life.Dead() && time.Now().Before(deadline); c.pause(5 * often) {
		if slices.Equal(c.Snapshot(), reference.State) {
			return
		}
	}
}
