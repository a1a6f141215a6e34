// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
)

// registryFaults are what a registry, and what stands before it, does to a request now and then. A crash is of the operator.
func registryFaults(kill func()) map[string]AnswerFault {
	const code = `{"errors":[{"code":"UNKNOWN","message":"m"}]}`
	plain := func(status int) AnswerFault {
		return answers(status, map[string]string{"Content-Type": "application/json"}, []byte(code))
	}
	return map[string]AnswerFault{
		"a crash before": func(w http.ResponseWriter, _ *http.Request, _ func() *httptest.ResponseRecorder) {
			kill()
			cutOff(w)
		},
		"a crash after": func(w http.ResponseWriter, _ *http.Request, on func() *httptest.ResponseRecorder) {
			on()
			kill()
			cutOff(w)
		},
		"401": plain(http.StatusUnauthorized), "403": plain(http.StatusForbidden), "404": plain(http.StatusNotFound),
		"409": plain(http.StatusConflict), "500 after the effect": plain(http.StatusInternalServerError),
		"429": answers(http.StatusTooManyRequests, map[string]string{"Retry-After": "1"}, nil),
		"a time-out": func(_ http.ResponseWriter, r *http.Request, _ func() *httptest.ResponseRecorder) {
			<-r.Context().Done()
		},
		"a reset after the effect": func(w http.ResponseWriter, _ *http.Request, on func() *httptest.ResponseRecorder) {
			on()
			cutOff(w)
		},
		"a page in HTML": answers(http.StatusOK, map[string]string{"Content-Type": "text/html"}, []byte("<html>welcome</html>")),
		"5 MB":           answers(http.StatusOK, map[string]string{"Content-Type": "application/json"}, []byte(`{"tags":["`+strings.Repeat("1", 5<<20)+`"]}`)),
	}
}

// elsewhereWorkloads are what the operator is asked to do that has it ask a registry.
var elsewhereWorkloads = []struct {
	name     string
	installs bool
	step     func(*Case)
}{
	{"install", true, create},
	{"a look after the interval", false, func(c *Case) { c.Clock.SetTime(c.Clock.Now().Add(31 * time.Minute)) }},
	{"another login", false, func(c *Case) {
		c.elsewhere.Admit("puller", "puller-2-secret")
		supplied := &corev1.Secret{}
		c.must(c.World.Admin.Get(c.ctx, client.ObjectKey{Namespace: objects.CredentialsNamespace, Name: c.Edge.Name + "-pull"}, supplied), "read a supplied Secret")
		supplied.Data[corev1.DockerConfigJsonKey] = dockerConfig("puller", "puller-2-secret")
		c.must(c.World.Admin.Update(c.ctx, supplied), "supply another login")
	}},
}

// untilTriedAgain is how many passes there may be, each a quarter of a minute after the other, until a login that was refused is
// tried once more: it is within an interval of the verification.
const untilTriedAgain = 150

// O: each request to a registry that is not the cluster's own meets each fault once, from that registry, from what stands
// before it, or by the operator's own end. It ends where an undisturbed operator does, and the registry is as it was.
func TestAFaultOfAnotherRegistryHealsByItself(t *testing.T) {
	suite := NewSuite(t, "O", 16)
	for _, tokens := range []bool{false, true} {
		form := map[bool]string{false: "logins", true: "tokens"}[tokens]
		for _, w := range elsewhereWorkloads {
			workload := &Workload{Name: w.name, Installs: w.installs, Prepare: useElsewhere(tokens), Steps: []func(*Case){w.step}}
			calls, state := undisturbedElsewhere(t, workload)
			for _, at := range calls {
				for _, name := range slices.Sorted(maps.Keys(registryFaults(nil))) {
					suite.Run(fmt.Sprintf("%s/%s/%s at %s", w.name, form, name, at), func(t *testing.T) {
						c := newElsewhereCase(t, workload)
						life := c.NewLife(nil)
						life.Patience = untilTriedAgain
						c.elsewhere.Arm(at, registryFaults(life.Kill)[name])
						life.Run()
						if c.elsewhere.Fired() != 1 {
							t.Fatal("the operator never came to this request")
						}
						if life.Dead() {
							c.Live(nil)
						}
						if made, most := len(c.elsewhere.Calls()), 4*len(calls)+8; made > most {
							t.Errorf("one fault led to %d requests, an undisturbed run makes %d", made, len(calls))
						}
						compare(t, "the end state differs from that of an undisturbed run (- undisturbed, + now)", c.Snapshot(), state)
						c.judgeElsewhere()
					})
				}
			}
		}
	}
}

func newElsewhereCase(t *testing.T, workload *Workload) *Case {
	t.Helper()
	c := NewCase(t, world, workload)
	if workload.Installs {
		c.bystander(c.Project())
	}
	return c
}

// undisturbedElsewhere returns the requests to the registry and the end state of an undisturbed run, and sees that another
// makes the same and ends in the same.
func undisturbedElsewhere(t *testing.T, workload *Workload) (calls, state []string) {
	t.Helper()
	for range 2 {
		c := newElsewhereCase(t, workload)
		life := c.NewLife(nil)
		c.elsewhere.Arm("", nil)
		life.Run()
		asked, left := c.elsewhere.Calls(), c.Snapshot()
		if calls == nil {
			calls, state = asked, left
		}
		compare(t, "a second undisturbed run asks the registry for other things", asked, calls)
		compare(t, "a second undisturbed run ends in another state", left, state)
		c.judgeElsewhere()
	}
	return calls, state
}

// useElsewhere has a case be about another registry, whose logins are supplied.
func useElsewhere(tokens bool) func(*Case) {
	return func(c *Case) {
		e, stop := StartElsewhere(tokens)
		c.T.Cleanup(stop)
		c.elsewhere = e
		c.must(c.World.Admin.Create(c.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Project()}}), "make a namespace")
		c.must(c.World.Invite(c.ctx, c.account, c.Project(), "edge-registry-secrets", c.Edge.Name), "invite")
		ref := func(role string) *edgev1.SuppliedLogin {
			return &edgev1.SuppliedLogin{CredentialsSecretRef: edgev1.CredentialsSecretRef{Name: c.Edge.Name + "-" + role}}
		}
		c.Edge.Spec.OpenShift = nil
		c.Edge.Spec.External = &edgev1.ExternalSpec{Host: elsewhereHost, RepositoryPrefix: "plant", Publisher: ref("push"), Puller: ref("pull")}
		c.Edge.Spec.Secrets.Namespace, c.Edge.Spec.Verification.Repository = c.Project(), "there"
		for role, user := range map[string]string{"push": "pusher", "pull": "puller"} {
			supplied := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: objects.CredentialsNamespace, Name: c.Edge.Name + "-" + role,
					Labels: map[string]string{"edge.open-horizon.io/credentials": "true"},
					Annotations: map[string]string{
						edgev1.ForAnnotation: c.Edge.Name, "edge.open-horizon.io/publish-to": c.Project(),
					},
				},
				Type: corev1.SecretTypeDockerConfigJson,
				Data: map[string][]byte{corev1.DockerConfigJsonKey: dockerConfig(user, user+"-1-secret"), handoff.KeyCA: e.ca.PEM()},
			}
			c.must(c.World.Admin.Create(c.ctx, supplied), "supply a login")
			c.T.Cleanup(func() { _ = c.World.Admin.Delete(c.World.running, supplied) })
		}
	}
}

func dockerConfig(user, password string) []byte {
	return fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, elsewhereHost, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// judgeElsewhere holds a run to everything that does not depend on what disturbed it: what is published works, an operator
// that is started afterwards neither writes nor asks the registry, nothing was left there, and no password shows.
func (c *Case) judgeElsewhere() {
	c.T.Helper()
	for name, user := range map[string]string{"publish": "pusher", "pull": "puller"} {
		published := c.secret(name)
		password, _ := handoff.Token(published.Data)
		passwords := c.elsewhere.users[user].passwords
		if string(published.Data[handoff.KeyUser]) != user || password.Reveal() != passwords[len(passwords)-1] {
			c.T.Errorf("the Secret %s does not carry the login that is supplied", published.Name)
		}
	}
	c.elsewhere.Arm("", nil)
	c.judgeQuiet()
	if calls := c.elsewhere.Calls(); len(calls) > 0 {
		c.T.Errorf("an operator at rest asks the registry: %q", calls)
	}
	if changed := c.elsewhere.Changed(); len(changed) > 0 {
		c.T.Errorf("something may be left at the registry, by %q", changed)
	}
	c.judgeRequests()
	stored, err := json.Marshal(c.Edge)
	c.must(err, "encode the EdgeRegistry")
	for place, text := range map[string]string{"what the operator told": c.Told.String(), "the EdgeRegistry": string(stored)} {
		for _, user := range c.elsewhere.users {
			for _, password := range user.passwords {
				if leaks.Shows(text, password) {
					c.T.Errorf("S6: a password shows in %s", place)
				}
			}
		}
	}
}
