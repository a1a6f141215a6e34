// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// skewed is a clock that is wrong by an offset.
type skewed struct {
	clock.PassiveClock
	offset time.Duration
}

// Now implements clock.PassiveClock.
func (s skewed) Now() time.Time { return s.PassiveClock.Now().Add(s.offset) }

const year = 365 * 24 * time.Hour

// offsets are by how much the operator's clock is ahead of the API server's.
var offsets = []time.Duration{
	-24 * time.Hour, -time.Hour, -5 * time.Minute, -time.Second, 0, time.Second, 5 * time.Minute, time.Hour, 24 * time.Hour, 10 * year,
}

// ages are those of the published tokens, in percent of their life. They are renewed from 75 to 80 percent on.
var ages = []int{0, 70, 79, 80, 100, 130}

const (
	hourly = time.Hour
	// leeway is how long the API server takes a token after its expiry.
	leeway = time.Minute
)

// anHour has tokens that work for an hour and are renewed in the last fifth of it, and a Route whose certificate is old.
var anHour = &Workload{Name: "tokens of an hour", Prepare: func(c *Case) {
	privateRoute(c)
	c.ca = platform.NewCAAt("an old CA", func() time.Time { return time.Now().Add(-48 * time.Hour) })
	c.must(c.World.SetRoute(c.ctx, c.route, hostOf(c.route, "a"), c.ca), "set the Route")
	withLifetime(hourly)(c)
}, Steps: []func(*Case){func(*Case) {}}}

// withLifetime asks for tokens of a lifetime that are renewed in the last fifth of it.
func withLifetime(lifetime time.Duration) func(*Case) {
	return func(c *Case) {
		spec := edgev1.TokenSpec{
			Lifetime: metav1.Duration{Duration: lifetime}, RenewBefore: &metav1.Duration{Duration: lifetime / 5},
		}
		c.Edge.Spec.OpenShift.Publisher.Token, c.Edge.Spec.OpenShift.Puller.Token = spec, spec
	}
}

// G1: the operator's clock is wrong, and the tokens are of some age. It mints once where its clock or the API server says
// that a token is at its end, and never again and again.
func TestAWrongClockMintsNoStormAndKeepsNoDeadToken(t *testing.T) {
	suite := NewSuite(t, "G1", 4)
	for _, offset := range offsets {
		for _, age := range ages {
			suite.Run(fmt.Sprintf("%d seconds ahead, tokens at %d percent", offset/time.Second, age), func(t *testing.T) {
				c := NewCase(t, world, anHour)
				c.Clock.SetTime(time.Now())
				c.age(hourly * time.Duration(age) / 100)
				life := c.NewLife(nil)
				life.EdgeRegistryReconciler.Clock = skewed{c.Clock, offset}
				c.passes(life)
				dead := hourly*time.Duration(age)/100 > hourly+leeway
				if dead && len(life.Issued()) == 0 {
					// A token that works by the operator's clock is tried at the latest after an interval.
					c.Clock.SetTime(c.Clock.Now().Add(c.Edge.Spec.Verification.Interval.Duration))
					c.passes(life)
				}
				c.judgeMints(life, offset, hourly*time.Duration(age)/100, dead)
			})
		}
	}
}

// passes makes some, a few seconds apart.
func (c *Case) passes(life *Life) {
	c.T.Helper()
	for range 5 {
		if _, err := life.Pass(); err != nil {
			c.T.Errorf("a pass failed: %v", err)
		}
		c.Clock.SetTime(c.Clock.Now().Add(5 * time.Second))
	}
	c.Reload()
}

// judgeMints counts the tokens that an operator with a wrong clock had issued for tokens of an age.
func (c *Case) judgeMints(life *Life, offset, age time.Duration, dead bool) {
	c.T.Helper()
	minted := map[string]int{}
	for _, token := range life.Issued() {
		minted[token.ServiceAccount]++
	}
	// The clock has gone on by less than a minute since.
	// In ten years no certificate is valid, and what is published stays until half of the time to renew it is over.
	due, fresh := age+offset >= hourly*80/100, age+offset < hourly*75/100-time.Minute
	for _, account := range []string{"edge-publisher", "edge-puller"} {
		switch {
		case minted[account] > 1:
			c.T.Errorf("%d tokens of %s were minted", minted[account], account)
		case (due || dead) && minted[account] == 0:
			c.T.Errorf("no token of %s was minted, though its clock says due: %t, the API server says dead: %t; %s", account, due, dead, c.standing())
		case fresh && !dead && minted[account] > 0:
			c.T.Errorf("a token of %s was minted for no reason", account)
		}
	}
	c.judgeUse()
	c.judgeLedger()
	c.judgeRequests()
	c.judgeLeaks()
}

// secret reads one of the two Secrets of consumers.
func (c *Case) secret(name string) *corev1.Secret {
	c.T.Helper()
	secret := &corev1.Secret{}
	c.must(c.World.Admin.Get(c.ctx, client.ObjectKey{Namespace: c.Project(), Name: c.Edge.Name + "-" + name}, secret), "read a Secret")
	return secret
}

// reissue signs the token of a Secret again, with other claims.
func (c *Case) reissue(name string, change func(map[string]any)) credential.Token {
	c.T.Helper()
	token, _ := handoff.Token(c.secret(name).Data)
	other, err := c.World.Env.Reissue(token.Reveal(), change)
	c.must(err, "sign a token")
	return credential.NewToken(other)
}

// plant puts tokens into the Secrets of consumers, in the form that the operator gives them.
func (c *Case) plant(publisher, puller credential.Token, names ...string) {
	c.T.Helper()
	for _, name := range names {
		secret := c.secret(name)
		input := handoff.Input{
			Provider: "openshift", Host: c.Edge.Status.Host, Project: c.Project(), CA: secret.Data[handoff.KeyCA],
			Publisher: handoff.Login{User: "edge-publisher." + c.Project(), Token: publisher}, Puller: handoff.Login{User: "edge-puller." + c.Project(), Token: puller},
		}
		form := handoff.PullData
		if name == "publish" {
			form = handoff.PublishData
		}
		data, err := form(input)
		c.must(err, "make the content of a Secret")
		maps.Copy(secret.Data, data)
		c.must(c.World.Admin.Update(c.ctx, secret), "write a Secret")
	}
}

// age moves the life of both tokens into the past, and what the Secrets that carry them and the bound Secrets say of it.
func (c *Case) age(by time.Duration) {
	c.T.Helper()
	older := func(claims map[string]any) {
		for _, key := range []string{"iat", "nbf", "exp"} {
			claims[key] = number(claims[key]) - int64(by/time.Second)
		}
	}
	c.Reload()
	tokens := map[string]credential.Token{"publish": c.reissue("publish", older), "pull": c.reissue("pull", older)}
	c.plant(tokens["publish"], tokens["pull"], "publish", "pull")
	for _, object := range c.objects() {
		if !isBoundSecret(object) && !isPublished(object) {
			continue
		}
		before := object.DeepCopyObject().(client.Object)
		annotations := object.GetAnnotations()
		for _, key := range []string{issuedAtAnnotation, expiresAtAnnotation} {
			at, err := time.Parse(time.RFC3339, annotations[key])
			c.must(err, "read "+key)
			annotations[key] = at.Add(-by).UTC().Format(time.RFC3339)
		}
		object.SetAnnotations(annotations)
		c.must(c.World.Admin.Patch(c.ctx, object, client.MergeFrom(before)), "age a token")
	}
	c.ageRecord(by)
}

// ageRecord has the record say that tokens are as old as they are made to look.
func (c *Case) ageRecord(by time.Duration) {
	c.T.Helper()
	const key = "record.json"
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "edgeregistry-" + string(c.Edge.UID)}}
	c.must(c.World.Admin.Get(c.ctx, client.ObjectKeyFromObject(secret), secret), "read the record")
	record := pass.Record{}
	c.must(json.Unmarshal(secret.Data[key], &record), "decode the record")
	for i := range record.Issued {
		issued := &record.Issued[i]
		issued.IssuedAt, issued.ExpiresAt = metav1.NewTime(issued.IssuedAt.Add(-by)), metav1.NewTime(issued.ExpiresAt.Add(-by))
	}
	content, err := json.Marshal(record)
	c.must(err, "encode the record")
	before := secret.DeepCopy()
	secret.Data[key] = content
	c.must(c.World.Admin.Patch(c.ctx, secret, client.MergeFrom(before)), "age the record")
}

func number(claim any) int64 {
	n, _ := claim.(interface{ Int64() (int64, error) }).Int64()
	return n
}

// G2: the renewal follows what was granted, to the second, whatever the lifetime.
func TestRenewalFollowsTheGrant(t *testing.T) {
	suite := NewSuite(t, "G2", 2)
	for _, seconds := range []int{600, 601, 3599, 3607, 86400, 7776000, 31536000} {
		lifetime := time.Duration(seconds) * time.Second
		suite.Run(lifetime.String(), func(t *testing.T) {
			workload := &Workload{Name: lifetime.String(), Prepare: withLifetime(lifetime), Steps: []func(*Case){func(*Case) {}}}
			c := NewCase(t, world, workload)
			life := c.Live(nil)
			var due []time.Time
			for _, token := range c.Edge.Status.Credentials {
				if granted := token.ExpiresAt.Sub(token.IssuedAt.Time); granted != lifetime {
					t.Errorf("%s of %s was granted", granted, lifetime)
				}
				share := token.RenewAt.Sub(token.IssuedAt.Time).Seconds() / lifetime.Seconds()
				if share < 0.755 || share > 0.8 {
					t.Errorf("%s is renewed at %.3f of its life", token.ServiceAccount, share)
				}
				due = append(due, token.RenewAt.Time)
			}
			slices.SortFunc(due, time.Time.Compare)
			for _, at := range slices.CompactFunc(slices.Clone(due), time.Time.Equal) {
				earlier := slices.IndexFunc(due, at.Equal)
				c.Clock.SetTime(at.Add(-time.Second))
				wait, _ := life.Pass()
				if minted := len(life.Issued()); minted != earlier || wait != time.Second {
					t.Errorf("a second before a renewal, %d tokens were minted, %d were due, and the next pass is in %s", minted, earlier, wait)
				}
				c.Clock.SetTime(at)
				_, _ = life.Pass()
			}
			if minted := len(life.Issued()); minted != len(due) {
				t.Errorf("%d tokens were minted, %d were due", minted, len(due))
			}
		})
	}
}

// forgeries are tokens that the API server does not take, though its own key has signed them but for the first.
var forgeries = []struct {
	what   string
	change func(map[string]any)
}{
	{"not a token at all", nil},
	{"of another account of the name", func(claims map[string]any) {
		bound(claims, "serviceaccount")["uid"] = "00000000-0000-0000-0000-000000000000"
	}},
	{"bound to another Secret of the name", func(claims map[string]any) { bound(claims, "secret")["uid"] = "00000000-0000-0000-0000-000000000000" }},
	{"bound to a Secret of another name", func(claims map[string]any) { bound(claims, "secret")["name"] = "other" }},
	{"expired 30 seconds ago", func(claims map[string]any) { claims["exp"] = time.Now().Add(-30 * time.Second).Unix() }},
	{"expired 90 seconds ago", func(claims map[string]any) { claims["exp"] = time.Now().Add(-90 * time.Second).Unix() }},
	{"not valid yet", func(claims map[string]any) { claims["nbf"] = time.Now().Add(time.Hour).Unix() }},
	{"for another audience", func(claims map[string]any) { claims["aud"] = []string{"elsewhere"} }},
	{"of another issuer", func(claims map[string]any) { claims["iss"] = "https://elsewhere.test" }},
	{"without an end", func(claims map[string]any) { delete(claims, "exp") }},
}

func bound(claims map[string]any, name string) map[string]any {
	return claims["kubernetes.io"].(map[string]any)[name].(map[string]any)
}

// G3: a token that was planted is replaced once.
func TestAForgedTokenIsReplacedOnce(t *testing.T) {
	suite := NewSuite(t, "G3", 3)
	for _, f := range forgeries {
		suite.Run(f.what, func(t *testing.T) {
			c := NewCase(t, world, resting)
			c.Reload()
			forged := credential.NewToken("not-a-token")
			if f.change != nil {
				forged = c.reissue("pull", f.change)
			}
			publisher, _ := handoff.Token(c.secret("publish").Data)
			c.plant(publisher, forged, "pull")
			c.Live(nil)
			c.judgeBack(resting, counted(anotherToken("puller")), deed...)
		})
	}
}
