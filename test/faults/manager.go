// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers"
)

// Manager is one incarnation of the operator with its caches, queue and watches, in this process, by the manager driver.
// Of the EdgeRegistries it sees that of its case alone, or with it one other, so that cases can run beside each other.
type Manager struct {
	*controllers.EdgeRegistryReconciler
	*Wire
	c      *Case
	cancel context.CancelFunc
	done   chan struct{}
	// before is how much the case was told before.
	before int
}

// NewManager starts an incarnation, which ends with the test or by Stop. It works at once, unless there is an election.
func (c *Case) NewManager(plan Plan, election ...Election) *Manager {
	c.T.Helper()
	return c.newManager(&Wire{Name: c.Edge.Name, Plan: plan}, c.alone, election...)
}

// besideLabel is on the EdgeRegistries that one incarnation serves, with the name of the first.
const besideLabel = "edge.test/beside"

// NewManagerBeside starts an incarnation that serves the EdgeRegistry of another case too. The plan is about the first
// alone, and what is asked for the other one counts as the other's.
func (c *Case) NewManagerBeside(other *Case, plan Plan) *Manager {
	c.T.Helper()
	for _, served := range []*Case{c, other} {
		served.Edit(func(e *edgev1.EdgeRegistry) { metav1.SetMetaDataLabel(&e.ObjectMeta, besideLabel, c.Edge.Name) })
	}
	other.Clock, other.Told = c.Clock, c.Told
	beside := &Wire{Name: other.Edge.Name, UID: string(other.Edge.UID)}
	other.lives = append(other.lives, beside)
	return c.newManager(&Wire{Name: c.Edge.Name, Plan: plan, Beside: beside}, narrowed("labelSelector", besideLabel+"="+c.Edge.Name))
}

func (c *Case) newManager(wire *Wire, sees func(http.RoundTripper) http.RoundTripper, election ...Election) *Manager {
	c.T.Helper()
	m := &Manager{c: c, Wire: wire, done: make(chan struct{}), before: len(c.Told.String())}
	m.EdgeRegistryReconciler = &controllers.EdgeRegistryReconciler{
		Namespace: operatorNamespace, Clock: c.Clock, DialContext: c.World.OpenShift.DialContext, MaxConcurrentReconciles: 2,
	}
	cfg := m.Wrap(c.World.Operator)
	cfg.Wrap(sees)
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
	return narrowed("fieldSelector", "metadata.name="+c.Edge.Name)(next)
}

// narrowed has a selector in each list and watch of EdgeRegistries.
func narrowed(kind, selector string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/edgeregistries") {
				r = r.Clone(r.Context())
				query := r.URL.Query()
				query.Set(kind, selector)
				r.URL.RawQuery = query.Encode()
			}
			return next.RoundTrip(r)
		})
	}
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

// Informed waits until the incarnation is told of the latest change of the EdgeRegistry, which may be its own.
func (m *Manager) Informed() {
	m.c.T.Helper()
	m.c.await("news of the latest change", func() bool {
		known := &edgev1.EdgeRegistry{}
		err := m.Edges.Get(m.c.ctx, client.ObjectKeyFromObject(m.c.Edge), known)
		if m.c.Reload() {
			return err == nil && known.ResourceVersion == m.c.Edge.ResourceVersion
		}
		return apierrors.IsNotFound(err)
	})
}

// Watching waits until the incarnation is told of everything, where there is an EdgeRegistry to be told of.
func (m *Manager) Watching() {
	m.c.T.Helper()
	exists := m.c.Reload()
	m.c.await("operator that watches", func() bool {
		if !exists {
			return strings.Contains(m.logged(), "Starting workers")
		}
		return slices.ContainsFunc(m.Calls(), func(call *Call) bool { return strings.HasPrefix(call.Signature, "watch secrets NAME/ ") })
	})
}

func (m *Manager) logged() string { return m.c.Told.String()[m.before:] }

// passes is how many passes of the incarnation have ended.
func (m *Manager) passes() int {
	logged, ended := m.logged(), 0
	for _, words := range []string{"Reconcile successful", "Reconcile done, requeueing", "Reconciler error"} {
		ended += strings.Count(logged, words)
	}
	return ended
}

// Nudge has the incarnation look at all EdgeRegistries of its cache, as it does for the cluster's trusted CAs, and
// returns when it has.
func (m *Manager) Nudge() {
	m.c.T.Helper()
	ended := m.passes()
	trusted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "edge-registry-trusted-ca"}}
	m.c.must(m.c.World.Admin.Patch(m.c.ctx, trusted, touch()), "touch the trusted CAs")
	m.c.await("pass", func() bool { return m.passes() > ended })
}

// asked is what the last pass says of the next one.
var asked = regexp.MustCompile(`Reconcile (?:successful|done, requeueing after ([^"]*))"`)

// Wait is when the incarnation wants to look again, by its last pass; zero for never.
func (m *Manager) Wait() time.Duration {
	m.c.T.Helper()
	passes := asked.FindAllStringSubmatch(m.logged(), -1)
	if len(passes) == 0 || passes[len(passes)-1][1] == "" {
		return 0
	}
	wait, err := time.ParseDuration(passes[len(passes)-1][1])
	m.c.must(err, "read when the next pass is")
	return wait
}

// Look lets the time come at which the incarnation wants to look again. Its queue goes by the real time, so its project,
// where there is one, has an event in the place of the timer.
func (m *Manager) Look() {
	m.c.T.Helper()
	m.c.Clock.SetTime(m.c.Clock.Now().Add(m.Wait()))
	project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.c.Project()}}
	m.c.must(client.IgnoreNotFound(m.c.World.Admin.Patch(m.c.ctx, project, touch())), "touch the project")
}

// touch changes an object in a way that nobody minds.
func touch() client.Patch {
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{"edge.test/touched":%q}}}`, uuid.NewUUID()))
}

// WorkBySchedule is Work of an incarnation that is not told of all that it has to do: whenever it makes no request any
// more, it looks by itself, until all is done and it wants to look again within a bound.
func (m *Manager) WorkBySchedule(bound time.Duration, look func(), done func() bool) {
	m.c.T.Helper()
	requests, passes := 0, math.MaxInt
	m.c.await("end by its schedule", func() bool {
		m.c.pause(20 * often)
		if before := requests; before != len(m.Calls()) {
			requests = len(m.Calls())
			return false
		}
		there := m.c.Reload()
		if (!there || (m.passes() > passes && !m.c.overdue())) && m.c.atRest() {
			if m.c.ask() {
				passes = math.MaxInt
				return false
			}
			wait := m.Wait()
			if done() && (!there || (wait > 0 && wait <= bound)) {
				return true
			}
		}
		passes = m.passes()
		look()
		return false
	})
}

// overdue reports that a verification is due by the case's clock.
func (c *Case) overdue() bool {
	at := c.Edge.Status.VerifiedAt
	return at != nil && !c.Clock.Now().Before(at.Add(c.Edge.Spec.Verification.Interval.Duration))
}

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
