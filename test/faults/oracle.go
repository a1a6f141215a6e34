// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/leaks"
)

// Allowance is in what a disturbed run may differ from the undisturbed one.
type Allowance struct {
	// Lost is how many tokens of each role may be minted in vain, each with its bound Secret made and deleted.
	Lost int
	// Again are effects that may come once more, since they change nothing the second time.
	Again []string
	// LeftBehind: what the operator was refused a right to, it leaves to garbage collection and to the project's owner.
	// So end state and effects are not compared.
	LeftBehind bool
	// Excused are invariants that the perturbation itself breaks, by their id.
	Excused []string
}

// OneLost is what any single fault may cost: it may come between a mint and its publication.
var OneLost = &Allowance{Lost: 1}

// Judge holds the case to everything that a disturbed run has to fulfil, once the operator is at rest.
func (c *Case) Judge(allowed *Allowance) {
	c.T.Helper()
	reference := c.Workload.Reference(c.T, c.World)
	if c.T.Failed() {
		return
	}
	state := c.end()
	if allowed == nil || !allowed.LeftBehind {
		compare(c.T, "the end state differs from that of an undisturbed run (- undisturbed, + now)", state, reference.State)
	}
	c.judge(reference, allowed)
}

// end is the state in the end, once garbage collection is done.
func (c *Case) end() []string {
	c.T.Helper()
	c.awaitCollected()
	return c.Snapshot()
}

func (c *Case) judge(reference *Reference, allowed *Allowance) {
	c.T.Helper()
	if allowed == nil {
		allowed = &Allowance{}
	}
	if !allowed.LeftBehind {
		c.judgeEffects(reference, allowed)
	}
	c.judgeQuiet()
	c.judgeHistory(allowed.Excused)
	c.judgeLedger()
	c.judgeUse()
	c.judgeRequests()
	c.judgeLeaks()
}

// disturbed are the incarnations since the workload began.
func (c *Case) disturbed() []*Wire { return c.lives[c.begun:] }

// judgeEffects compares how often each object was made and deleted and each token minted: the end state does not tell
// of what was done twice or undone.
func (c *Case) judgeEffects(reference *Reference, allowed *Allowance) {
	c.T.Helper()
	effects := map[string]int{}
	for _, wire := range c.disturbed() {
		for signature, count := range wire.Effects() {
			effects[signature] += count
		}
	}
	for _, signature := range slices.Sorted(maps.Keys(merged(effects, reference.Effects))) {
		if !strings.HasPrefix(signature, "create ") && !strings.HasPrefix(signature, "delete ") {
			continue
		}
		more := 0
		if strings.HasPrefix(signature, "create serviceaccounts/token ") || strings.HasSuffix(signature, "-N") {
			more = allowed.Lost
		}
		if slices.Contains(allowed.Again, signature) {
			more = 1
		}
		if got, want := effects[signature], reference.Effects[signature]; got < want || got > want+more {
			c.T.Errorf("%q was done %d times, by an undisturbed run %d times, and %d more are allowed", signature, got, want, more)
		}
	}
}

func merged(a, b map[string]int) map[string]int {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]int{}
	}
	maps.Copy(both, b)
	return both
}

// judgeQuiet forces passes of an operator that was just started: it finds nothing to write.
func (c *Case) judgeQuiet() {
	c.T.Helper()
	const passes = 3
	fresh := c.NewLife(nil)
	for range passes {
		if _, err := fresh.Pass(); err != nil {
			c.T.Errorf("a pass of an operator at rest failed: %v", err)
		}
	}
	for _, call := range fresh.Calls() {
		if call.Writes() {
			c.T.Errorf("an operator at rest writes: %s", call.Signature)
		}
	}
}

// judgeHistory waits until the journal has everything, and goes through it.
func (c *Case) judgeHistory(excused []string) {
	c.T.Helper()
	var versions []version
	c.await("complete journal", func() bool {
		versions = c.World.journal.read(c.pages()...)
		alive := living(versions)
		for _, object := range c.objects() {
			if alive[object.GetUID()] != object.GetResourceVersion() {
				return false
			}
		}
		return !c.Reload() || alive[c.Edge.UID] == c.Edge.ResourceVersion
	})
	for _, how := range c.replay(versions) {
		id, _, _ := strings.Cut(how, " ")
		if !slices.Contains(excused, id) {
			c.T.Error(how)
		}
	}
}

// judgeLedger accounts for each token that was ever issued: its bound Secret is gone, or says that it was published.
func (c *Case) judgeLedger() {
	c.T.Helper()
	issued := c.issued()
	var known []string
	secrets := map[types.UID]client.Object{}
	for _, object := range c.objects() {
		secrets[object.GetUID()] = object
	}
	for _, token := range issued {
		known = append(known, token.ID)
		bound := secrets[token.SecretUID]
		if bound != nil && bound.GetAnnotations()[credentialIDAnnotation] != token.ID {
			c.T.Errorf("a token of %s is alive by %s and not published", token.ServiceAccount, bound.GetName())
		}
	}
	slices.Sort(known)
	ids := func() []string { return c.World.ledger.issued(c.Project()) }
	c.await("audit log that knows the same tokens", func() bool { return len(ids()) >= len(known) })
	if !slices.Equal(ids(), known) {
		c.T.Errorf("the API server issued %d tokens, the wire saw %d", len(ids()), len(known))
	}
}

func (c *Case) issued() []Issued {
	var issued []Issued
	for _, wire := range c.lives {
		issued = append(issued, wire.Issued()...)
	}
	return issued
}

// judgeUse looks at the Secrets as a consumer would: the API server takes the tokens, and ca.crt verifies the route.
func (c *Case) judgeUse() {
	c.T.Helper()
	for _, secret := range c.judgeTokens() {
		host := string(secret.Data[handoff.KeyHost])
		if err := c.World.handshake(c.ctx, host, secret.Data[handoff.KeyCA]); err != nil {
			c.T.Errorf("the ca.crt of %s does not verify %s: %v", secret.Name, host, err)
		}
	}
}

// judgeTokens returns the Secrets of consumers, once the API server took their tokens.
func (c *Case) judgeTokens() []*corev1.Secret {
	c.T.Helper()
	var secrets []*corev1.Secret
	for _, object := range c.objects() {
		secret, ok := object.(*corev1.Secret)
		if !ok || (!isPublished(secret) && !isCopy(secret)) {
			continue
		}
		secrets = append(secrets, secret)
		if token, _ := handoff.Token(secret.Data); !c.World.accepts(c.ctx, token) {
			c.T.Errorf("the API server does not take the token of %s", secret.Name)
		}
	}
	return secrets
}

// judgeRequests looks at the requests themselves: each delete names the UID of what it means, and of the registry's Config
// nothing but the default route is written.
func (c *Case) judgeRequests() {
	c.T.Helper()
	for _, wire := range c.lives {
		for _, call := range wire.Calls() {
			options := &metav1.DeleteOptions{}
			if call.Verb == "delete" && (decode(call.Body, options) != nil || options.Preconditions == nil || options.Preconditions.UID == nil) {
				c.T.Errorf("S7: %s says no UID", call.Signature)
			}
			if call.Writes() && call.Resource == "configs" && !routeOnly(call.Body) {
				c.T.Errorf("S8: %s writes %s", call.Signature, call.Body)
			}
		}
	}
}

// routeOnly reports whether a patch of the registry's Config changes spec.defaultRoute and nothing else.
func routeOnly(patch []byte) bool {
	fields := struct {
		Metadata map[string]any
		Spec     map[string]any
	}{}
	if json.Unmarshal(patch, &fields) != nil {
		return false
	}
	delete(fields.Metadata, "resourceVersion")
	delete(fields.Metadata, "name")
	_, route := fields.Spec["defaultRoute"]
	return route && len(fields.Spec) == 1 && len(fields.Metadata) == 0
}

// judgeLeaks looks for the tokens of the case where none belongs.
func (c *Case) judgeLeaks() {
	c.T.Helper()
	places := map[string]string{"what the operator told": c.Told.String()}
	for _, v := range c.World.journal.read(c.pages()...) {
		// By name: somebody may have taken the labels off.
		consumed := []string{c.Edge.Name + "-publish", c.Edge.Name + "-pull"}
		if _, ok := v.Object.(*corev1.Secret); ok && slices.Contains(consumed, v.GetName()) {
			continue
		}
		content, err := json.Marshal(v.Object)
		c.must(err, "encode an object")
		places[fmt.Sprintf("%T", v.Object)] += string(content)
	}
	var tokens []string
	for _, token := range c.issued() {
		tokens = append(tokens, token.Reveal())
	}
	known := leaks.Of(tokens...)
	for place, text := range places {
		if !known.In(text) {
			continue
		}
		for _, token := range c.issued() {
			if leaks.Shows(text, token.Reveal()) {
				c.T.Errorf("S6: a token of %s shows in %s", token.ServiceAccount, place)
			}
		}
	}
}
