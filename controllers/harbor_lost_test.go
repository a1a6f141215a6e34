// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about calls to Harbor that go wrong, and about robots at the end of their EdgeRegistry.

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// faulty are ways in which a call goes wrong, of which the first two have done what was asked for.
var faulty = map[string]func(match func(standin.Call) bool) *standin.Fault{
	"its reply is lost": standin.LostReply,
	"500 after it was done": func(match func(standin.Call) bool) *standin.Fault {
		return &standin.Fault{Match: match, Commit: true, Status: http.StatusInternalServerError, Body: `{"errors":[{"code":"UNKNOWN","message":"internal server error"}]}`}
	},
	"it is not reached": func(match func(standin.Call) bool) *standin.Fault { return &standin.Fault{Match: match} },
	"a page":            func(match func(standin.Call) bool) *standin.Fault { return standin.HTML(match, http.StatusOK) },
	"401":               refuses(http.StatusUnauthorized, "UNAUTHORIZED"),
	"403":               refuses(http.StatusForbidden, "FORBIDDEN"),
	"409":               refuses(http.StatusConflict, "CONFLICT"),
	"404 of a proxy":    func(match func(standin.Call) bool) *standin.Fault { return standin.HTML(match, http.StatusNotFound) },
	"429":               func(match func(standin.Call) bool) *standin.Fault { return standin.TooMany(match, time.Second) },
	"five megabytes":    standin.Huge,
}

// refuses is an answer in Harbor's own form, and nothing was done.
func refuses(status int, code string) func(func(standin.Call) bool) *standin.Fault {
	return func(match func(standin.Call) bool) *standin.Fault {
		return &standin.Fault{Match: match, Status: status, Body: `{"errors":[{"code":"` + code + `","message":"refused"}]}`}
	}
}

// always are the ways that each call goes wrong in each run of the tests. Of the others so many have their turn, and all with
// FAULTS=all in the environment: then there are as many cases at least. It is suite T of docs/internal/reliability.md.
var always = []string{"its reply is lost", "500 after it was done", "it is not reached", "a page"}

const (
	harborShare                      = 6
	harborQuickCases, harborAllCases = 110, 240
)

// nth matches the call of a number.
func nth(n int) func(standin.Call) bool {
	return func(c standin.Call) bool {
		if harbor.API(c) {
			n--
		}
		return harbor.API(c) && n == 0
	}
}

func TestACallToHarborThatGoesWrongLeavesNoUnknownRobot(t *testing.T) {
	begun, cases, everything := time.Now(), 0, os.Getenv("FAULTS") == "all"
	for kind, name := range slices.Sorted(maps.Keys(faulty)) {
		fault := faulty[name]
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %t", name, restart), func(t *testing.T) {
				o := harborOperator(t)
				p := startHarbor(t, o.clock)
				p.survives(t, o, &standin.Fault{Match: func(standin.Call) bool { return false }}, restart)
				calls := p.Count(harbor.API)
				NewWithT(t).Expect(calls).To(BeNumerically(">", 8))
				for call := 1; call <= calls; call++ {
					if !everything && !slices.Contains(always, name) && (call+kind)%harborShare != 0 {
						continue
					}
					cases++
					p.survives(t, o, fault(nth(call)), restart)
				}
			})
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "suite T: cases %d, time %s\n", cases, time.Since(begun).Round(time.Second))
	floor := harborQuickCases
	if everything {
		floor = harborAllCases
	}
	if single := strings.Contains(flag.Lookup("test.run").Value.String(), "/"); !single {
		NewWithT(t).Expect(cases).To(BeNumerically(">=", floor), "cases got lost")
	}
}

// survives makes an EdgeRegistry Ready and deletes it, while a call goes wrong.
func (p *plantHarbor) survives(t *testing.T, o *operator, fault *standin.Fault, restart bool) {
	t.Helper()
	g := NewWithT(t)
	p.Forget()
	p.Inject(fault)
	edge := p.install(t)
	for range 3 {
		o.pass(t, edge)
	}
	if restart {
		o = o.restarted(t)
	}
	o.settles(t, edge)
	o.pass(t, edge)
	p.expectOneRobotEach(t, edge)
	g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
	p.Heal()
	g.Expect(append(p.of(edge, "publisher"), p.of(edge, "puller")...)).To(BeEmpty(), "nothing of ours is left")
	p.expectOthers(t)
}

// ends makes passes until an EdgeRegistry that is being deleted is gone.
func (o *operator) ends(t *testing.T, edge *edgev1.EdgeRegistry) {
	t.Helper()
	NewWithT(t).Eventually(func() bool {
		_, _ = makePass(t, o.EdgeRegistryReconciler, edge)
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(edge), &edgev1.EdgeRegistry{}))
	}).WithTimeout(soon).WithPolling(often).Should(BeTrue())
}

// A process dies before or after each of its writes to the cluster, and another goes on.
func TestAnOperatorThatDiesAtAnyWriteLeavesNoUnknownRobot(t *testing.T) {
	died := errors.New("the process is gone")
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after it was done %t", after), func(t *testing.T) {
			for write := 1; ; write++ {
				o := harborOperator(t)
				p := startHarbor(t, o.clock)
				left, dead := write, false
				o.wire.setIntercept(func(r *http.Request, next http.RoundTripper) (*http.Response, error) {
					if dead {
						return nil, died
					}
					if r.Method == http.MethodGet || housekeeping.MatchString(r.URL.Path) {
						return next.RoundTrip(r)
					}
					if left--; left > 0 {
						return next.RoundTrip(r)
					}
					if dead = true; after {
						if response, err := next.RoundTrip(r); err == nil {
							_ = response.Body.Close()
						}
					}
					return nil, died
				})
				edge := p.install(t)
				for range 2 {
					_, _ = makePass(t, o.EdgeRegistryReconciler, edge)
				}
				o = o.restarted(t)
				o.settles(t, edge)
				o.pass(t, edge)
				p.expectOneRobotEach(t, edge)
				if !dead {
					break
				}
			}
		})
	}
}

func TestAHarborThatIsAwayHoldsADeletionForAnHour(t *testing.T) {
	for name, abandon := range map[string]bool{"an hour": false, "the annotation": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := harborOperator(t)
			recorder := &eventRecorder{}
			o.Recorder = recorder
			p := startHarbor(t, o.clock)
			edge := o.settles(t, p.install(t))
			ids := []int64{p.of(edge, "publisher")[0].ID, p.of(edge, "puller")[0].ID}
			p.Inject(&standin.Fault{Match: harbor.API, Always: true, Status: http.StatusServiceUnavailable})
			g.Expect(admin.Delete(t.Context(), edge)).To(Succeed())
			_, err := makePass(t, o.EdgeRegistryReconciler, edge)
			g.Expect(err).NotTo(HaveOccurred())
			held := condition(t, edge, edgev1.Ready)
			g.Expect(held.Reason).To(Equal(edgev1.ReasonDeletionPending))
			g.Expect(held.Message).To(And(ContainSubstring("Harbor at "+p.Host), ContainSubstring(edgev1.AbandonAnnotation)))
			if abandon {
				annotate(t, edge, edgev1.AbandonAnnotation, "true")
			} else {
				o.clock.SetTime(o.clock.Now().Add(time.Hour + time.Minute))
			}
			o.ends(t, edge)
			for _, id := range ids {
				g.Expect(recorder.of(edgev1.ReasonRobotsLeftBehind)).To(ContainElement(MatchRegexp(`\b%d\b`, id)))
			}
		})
	}
}

func TestAnEdgeRegistryThatNeverMadeARobotEndsAtOnce(t *testing.T) {
	o := harborOperator(t)
	p := startHarbor(t, o.clock)
	edge := p.edge(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	apply(t, edge)
	o.comesTo(t, edge, edgev1.RegistryTrusted, edgev1.ReasonCredentialMissing)
	NewWithT(t).Expect(admin.Delete(t.Context(), edge)).To(Succeed())
	o.ends(t, edge)
}
