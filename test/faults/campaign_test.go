// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/internal/trust"
)

// topics are the fields of a spec that may be changed. Each is changed three times: it gets a value, another value, and
// none. A change is a merge patch of the spec, where NAME is the EdgeRegistry and ROUTE its private Route.
var topics = []struct{ what, set, other, none string }{
	{"the route and its CA",
		`{openshift: {route: ROUTE}, trust: {caBundleRef: {name: NAME-ca, key: root.pem}}}`,
		`{openshift: {route: default-route}, trust: {caBundleRef: {name: NAME-other-ca, key: other.pem}}}`,
		`{openshift: {route: null}, trust: {caBundleRef: null}}`},
	{"the overlap",
		`{trust: {overlap: 0s}}`, `{trust: {overlap: 1h}}`, `{trust: {overlap: null}}`},
	{"the roles",
		`{openshift: {publisher: {clusterRole: "system:image-builder"}, puller: {clusterRole: registry-viewer}}}`,
		`{openshift: {publisher: {clusterRole: registry-editor}, puller: {clusterRole: view}}}`,
		`{openshift: {publisher: {clusterRole: null}, puller: {clusterRole: null}}}`},
	{"the texts and the end",
		`{openshift: {exposure: Restore, project: {displayName: Images, description: "Of a factory\nin two lines"}}, deletionPolicy: Delete}`,
		`{openshift: {exposure: Retain, project: {displayName: More images, description: Of another}}, deletionPolicy: Retain}`,
		`{openshift: {exposure: null, project: {displayName: null, description: null}}, deletionPolicy: null}`},
	{"the publisher's token",
		`{openshift: {publisher: {token: {type: LongLived, lifetime: 1h, renewBefore: 20m}}}}`,
		`{openshift: {publisher: {token: {type: Bound, lifetime: 24h, renewBefore: 2h}}}}`,
		`{openshift: {publisher: {token: {type: null, lifetime: null, renewBefore: null}}}}`},
	{"the puller's token",
		`{openshift: {puller: {token: {type: Bound, lifetime: 48h, renewBefore: 40h}}}}`,
		`{openshift: {puller: {token: {type: LongLived, lifetime: 12h, renewBefore: 1h}}}}`,
		`{openshift: {puller: {token: {type: null, lifetime: null, renewBefore: null}}}}`},
	{"the publish Secret",
		`{secrets: {publish: {copyTo: [NAME-copies, NAME-copies-too], labels: {team: a, tier: edge}, annotations: {example.com/a: x, example.com/b: z}}}}`,
		`{secrets: {publish: {copyTo: [NAME-copies-too], labels: {team: b, tier: null}, annotations: {example.com/a: w, example.com/b: null}}}}`,
		`{secrets: {publish: {copyTo: null, labels: null, annotations: null}}}`},
	{"the pull Secret",
		`{secrets: {pull: {copyTo: [NAME-copies], labels: {team: a, tier: edge}, annotations: {example.com/a: x, argocd.argoproj.io/sync-options: Prune=true}}}}`,
		`{secrets: {pull: {copyTo: [NAME-copies-too], labels: {team: b, tier: null}, annotations: {example.com/a: w, argocd.argoproj.io/sync-options: null}}}}`,
		`{secrets: {pull: {copyTo: null, labels: null, annotations: null}}}`},
	{"the verification",
		`{verification: {policy: BestEffort, interval: 5m}}`, `{verification: {policy: Disabled, interval: 1h}}`, `{verification: {policy: null, interval: null}}`},
}

// specChange is a change of a spec.
type specChange struct{ name, patch string }

// walk is all changes in an order by chance: only of one topic each comes after the one before it.
func walk(seed uint64) []specChange {
	var turns []int
	for i := range topics {
		turns = append(turns, i, i, i)
	}
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	taken := make([]int, len(topics))
	var changes []specChange
	for _, i := range turns {
		t := topics[i]
		next := []specChange{{t.what + " are set", t.set}, {t.what + " become others", t.other}, {t.what + " are left out", t.none}}
		changes = append(changes, next[taken[i]])
		taken[i]++
	}
	return changes
}

// K3: whatever the spec was before, and before that, the cluster becomes what a new EdgeRegistry with the spec of now
// would make of it.
func TestTheStateFollowsTheSpecAndNotItsPast(t *testing.T) {
	const walks = 6
	suite := NewSuite(t, "K3", walks)
	for seed := range uint64(walks) {
		suite.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			// The first change does not meet the initial state either.
			c := NewCase(t, world, &Workload{Name: "a walk", Prepare: stage, Steps: []func(*Case){deleteAccount}})
			life := c.Live(nil)
			first := c.end()
			for _, change := range walk(seed) {
				passed := t.Run(change.name, func(t *testing.T) {
					suite.Count(t)
					c.T = t
					c.patchSpec(change.patch)
					life.Run()
					c.judgeLikeNew()
					c.judgeAgreement(life)
					c.judgeQuiet()
				})
				if c.T = t; !passed {
					t.Fatal("what comes after a change that failed says nothing")
				}
			}
			last := c.end()
			compare(t, "the spec is what it was at first, and the state is not (- at first, + now)", present(last, c.Edge.Generation), present(first, 1))
			compare(t, "the texts of the project are written once (- at first, + now)", ofProject(last), ofProject(first))
			c.judgeRun()
		})
	}
}

// stage makes what the changes of a spec speak of: a private Route, ConfigMaps with its CA, two namespaces for copies.
func stage(c *Case) {
	route := c.Edge.Spec.OpenShift.Route
	privateRoute(c)
	// At first the EdgeRegistry has nothing to do with it.
	c.Edge.Spec.OpenShift.Route = route
	inviteCopies(c)
	c.inviteCopiesTo(c.moreCopies())
	for name, key := range map[string]string{"-ca": "root.pem", "-other-ca": "other.pem"} {
		c.offerCA(name, key, string(c.ca.RootPEM()))
	}
}

// offerCA makes a ConfigMap that caBundleRef may name.
func (c *Case) offerCA(name, key, content string) {
	c.T.Helper()
	bundle := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: c.Edge.Name + name},
		Data:       map[string]string{key: content},
	}
	c.must(c.World.Admin.Create(c.ctx, bundle), "offer a CA")
	c.T.Cleanup(func() { _ = c.World.Admin.Delete(context.WithoutCancel(c.ctx), bundle) })
}

// patchSpec changes the spec by a merge patch in YAML.
func (c *Case) patchSpec(patch string) {
	c.T.Helper()
	patch = strings.NewReplacer("NAME", c.Edge.Name, "ROUTE", c.route, "WRONG", c.wrong).Replace(patch)
	content, err := yaml.YAMLToJSON([]byte(`{spec: ` + patch + `}`))
	c.must(err, "read a patch")
	c.must(c.World.Admin.Patch(c.ctx, c.Edge, client.RawPatch(types.MergePatchType, content)), "change the spec")
}

// judgeLikeNew compares the state with that of a new EdgeRegistry of the same spec.
func (c *Case) judgeLikeNew() {
	c.T.Helper()
	content, err := json.Marshal(c.Edge.Spec)
	c.must(err, "encode the spec")
	fresh := NewCase(c.T, c.World, &Workload{Name: "new", Installs: true, Steps: []func(*Case){create}, Prepare: func(f *Case) {
		stage(f)
		spec := strings.NewReplacer(c.Edge.Name, f.Edge.Name, `"`+c.route+`"`, `"`+f.route+`"`).Replace(string(content))
		f.must(json.Unmarshal([]byte(spec), &f.Edge.Spec), "decode the spec")
	}})
	fresh.Live(nil)
	compare(c.T, "the state differs from that of a new EdgeRegistry with this spec (- new, + now)",
		present(c.end(), c.Edge.Generation), present(fresh.end(), 1))
}

// bygone is what the past leaves for a time, and a new EdgeRegistry does not have: certificates and tokens that consumers
// may use still, and the list of namespaces in which copies may be.
var bygone = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`"(previous|certificates)":\[[^]]*\],?`), ""},
	{regexp.MustCompile(`(CERTIFICATE\\n)+`), `CERTIFICATE\n`},
	{regexp.MustCompile(`; earlier tokens of \S+ that do not expire go on working: delete .*? when no node needs them`), ""},
}

// present is a state without its past. The texts of the project are written once.
func present(state []string, generation int64) []string {
	observed := strings.NewReplacer(fmt.Sprintf(`"observedGeneration":%d,`, generation), "", fmt.Sprintf(`"observedGeneration":%d}`, generation), "}")
	var lines []string
	for _, line := range now(state) {
		if strings.HasPrefix(line, "project of ") {
			continue
		}
		for _, b := range bygone {
			line = b.pattern.ReplaceAllString(line, b.instead)
		}
		lines = append(lines, observed.Replace(line))
	}
	return lines
}

func ofProject(state []string) []string {
	return slices.DeleteFunc(slices.Clone(state), func(line string) bool { return !strings.HasPrefix(line, "project of ") })
}

// judgeAgreement holds what the masks hide to the spec itself: lifetimes, renewals, the end of certificates on their way
// out, the next verification.
func (c *Case) judgeAgreement(life *Life) {
	c.T.Helper()
	for name, spec := range map[string]edgev1.TokenSpec{"publish": c.Edge.Spec.OpenShift.Publisher.Token, "pull": c.Edge.Spec.OpenShift.Puller.Token} {
		token, _ := handoff.Token(c.secret(name).Data)
		claims, err := credential.ReadClaims(token)
		c.must(err, "read a token")
		if granted := claims.Expiry.Sub(claims.IssuedAt); claims.Expires() && granted != spec.Lifetime.Duration {
			c.T.Errorf("the token of %s was issued for %s, the spec asks for %s", claims.ServiceAccount, granted, spec.Lifetime.Duration)
		}
		if claims.Expires() == (spec.Type == edgev1.TokenLongLived) {
			c.T.Errorf("the token of %s expires: %t, the spec asks for type %s", claims.ServiceAccount, claims.Expires(), spec.Type)
		}
		for _, listed := range c.Edge.Status.Credentials {
			if listed.Current && listed.ServiceAccount == claims.ServiceAccount && claims.Expires() {
				c.judgeRenewal(listed, spec)
			}
		}
	}
	if certificates, _ := trust.ParsePEM(c.secret("pull").Data[handoff.KeyCA]); len(certificates) != len(c.Edge.Status.CA.Certificates) {
		c.T.Errorf("ca.crt holds %d certificates, the status lists %d", len(certificates), len(c.Edge.Status.CA.Certificates))
	}
	for _, previous := range c.Edge.Status.CA.Previous {
		if left := previous.Until.Sub(c.Clock.Now()); left > c.Edge.Spec.Trust.Overlap.Duration {
			c.T.Errorf("%q leaves ca.crt in %s, the overlap is %s", previous.Subject, left, c.Edge.Spec.Trust.Overlap.Duration)
		}
	}
	wait, err := life.Pass()
	verification := c.Edge.Spec.Verification
	if err != nil || (verification.Policy != edgev1.VerificationDisabled && wait > verification.Interval.Duration) {
		c.T.Errorf("the operator looks again after %s, the interval is %s; error %v", wait, verification.Interval.Duration, err)
	}
}

// judgeRenewal allows for the twentieth by which a renewal may be earlier.
func (c *Case) judgeRenewal(listed edgev1.CredentialStatus, spec edgev1.TokenSpec) {
	c.T.Helper()
	due := spec.Lifetime.Duration / 3
	if spec.RenewBefore != nil {
		due = spec.Lifetime.Duration - spec.RenewBefore.Duration
	}
	if after := listed.RenewAt.Sub(listed.IssuedAt.Time); after > due || after < due-due/20-time.Second {
		c.T.Errorf("the token of %s is renewed after %s, the spec says %s", listed.ServiceAccount, after, due)
	}
}

// fixed are the fields that cannot be changed once the EdgeRegistry is made, and suspended the one that is a state of its
// own: TestAMistakeThatIsTakenBackLeavesNothing has it.
var fixed = []string{
	"openshift.project.name", "openshift.publisher.serviceAccountName", "openshift.puller.serviceAccountName",
	"secrets.publish.name", "secrets.pull.name", "suspend",
}

// notWalked are those that another provider has, the policy of the project: for one that was requested Adopt waits for an
// invitation, and TestWhatWasThereBeforeIsNotAdopted has that; and the Exchange, which this world has not:
// TestWhatIsWrongWithTheSecretOfTheExchange takes it off and changes it.
var notWalked = []string{"secrets.namespace", "verification.repository", "openshift.project.policy", "exchanges"}

// Each field that can be changed gets two values and none on a walk.
func TestAWalkChangesEveryField(t *testing.T) {
	for _, field := range specFields(t) {
		if slices.Contains(fixed, field.path) || slices.Contains(notWalked, field.path) {
			continue
		}
		values := map[string]bool{}
		for _, change := range walk(0) {
			if value, said := valueIn(t, change.patch, field.path); said {
				values[value] = true
			}
		}
		if !values["null"] || len(values) < 3 {
			t.Errorf("spec.%s gets the values %v on a walk, and not two and none", field.path, slices.Collect(maps.Keys(values)))
		}
	}
}

// valueIn is what a patch says of a field, in JSON, and whether it says anything.
func valueIn(t *testing.T, patch, path string) (string, bool) {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(patch), &value); err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(path, ".") {
		fields, ok := value.(map[string]any)
		if !ok {
			break
		}
		if value, ok = fields[name]; !ok {
			return "", false
		}
	}
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(content), true
}
