// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what `kubectl describe` says of an EdgeRegistry in each state: the pages of Harbor and of IBM Cloud show it,
// and are held to it.

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/fixtures"
	"github.com/edge-registry/edge-registry-operator/test/harbor"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// described is what kubectl describe says of conditions, without what differs from run to run.
func described(t *testing.T, edge *edgev1.EdgeRegistry, name string, conditions ...string) string {
	t.Helper()
	g := NewWithT(t)
	told, err := control.Kubectl(t.Context(), "describe", "edgeregistry", edge.Name)
	g.Expect(err).NotTo(HaveOccurred())
	said := map[string]string{}
	for _, block := range strings.Split(told, "    Last Transition Time:")[1:] {
		lines := strings.Split(block, "\n")
		at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "    Type:") })
		g.Expect(at).To(BeNumerically(">", 0), block)
		name := strings.TrimSpace(strings.TrimPrefix(lines[at], "    Type:"))
		kept := slices.DeleteFunc(lines[1:at+1], func(line string) bool { return strings.HasPrefix(line, "    Observed Generation:") })
		said[name] = strings.Join(kept, "\n") + "\n"
	}
	text := ""
	for _, one := range conditions {
		g.Expect(said).To(HaveKey(one))
		text += said[one]
	}
	text = strings.NewReplacer(edge.Name, name, edge.Spec.Secrets.Namespace, "plant", fmt.Sprintf("edge-%.8s-", edge.UID), "edge-3f2c9a41-").Replace(text)
	text = regexp.MustCompile(`localhost:\d+`).ReplaceAllString(text, "harbor.example.com")
	text = regexp.MustCompile(`((?:until|expires at|ended at|ends at|ended|works until) )`+rfc3339).ReplaceAllString(text, "${1}2026-05-30T08:00:00Z")
	text = regexp.MustCompile(rfc3339).ReplaceAllString(text, "2026-03-01T08:00:00Z")
	text = regexp.MustCompile(`\brobot \d+ of Harbor`).ReplaceAllString(text, "robot 7 of Harbor")
	text = numbered(text, `\b[0-9a-f]{32}\b`, "%032x")
	return numbered(text, `\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`, "00000000-0000-4000-8000-%012d")
}

// shown holds the first block of text below a heading of a page to what was found. UPDATE_FIXTURES=1 writes it there.
func shown(t *testing.T, page, heading, found string) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(page)
	g.Expect(err).NotTo(HaveOccurred())
	const fence = "```text\n"
	before, after, there := strings.Cut(string(content), "\n"+heading+"\n")
	g.Expect(there).To(BeTrue(), "%s has no heading %q", page, heading)
	introduction, rest, there := strings.Cut(after, fence)
	g.Expect(there).To(BeTrue(), "nothing is shown below %q of %s", heading, page)
	block, rest, _ := strings.Cut(rest, "```")
	if fixtures.Updating() && block != found {
		updated := before + "\n" + heading + "\n" + introduction + fence + found + "```" + rest
		g.Expect(os.WriteFile(page, []byte(updated), 0o600)).To(Succeed())
		block = found
	}
	g.Expect(block).To(Equal(found), "below %q of %s; UPDATE_FIXTURES=1 writes what is found", heading, page)
}

func TestWhatDescribeSaysOfHarborIsShown(t *testing.T) {
	const page, name = "../docs/harbor.md", "plant-harbor"
	start := func(t *testing.T) (*operator, *plantHarbor, *edgev1.EdgeRegistry) {
		t.Helper()
		o := harborOperator(t)
		p := startHarbor(t, o.clock)
		return o, p, o.settles(t, p.install(t))
	}
	t.Run("ready", func(t *testing.T) {
		_, _, edge := start(t)
		shown(t, page, "### Ready", described(t, edge, name,
			edgev1.NamespaceReady, edgev1.RegistryTrusted, edgev1.CredentialsIssued, edgev1.SecretsPublished, edgev1.RegistryVerified, edgev1.Ready))
	})
	t.Run("a permission is missing", func(t *testing.T) {
		o := harborOperator(t)
		p := startHarbor(t, o.clock)
		p.Grant("maker", "project:read", "robot:list", "robot:read", "robot:update", "robot:delete", "repository:pull")
		edge := p.install(t)
		o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonPermissionMissing)
		shown(t, page, "### The account lacks a permission", described(t, edge, name, edgev1.CredentialsIssued))
	})
	t.Run("disabled", func(t *testing.T) {
		o, p, edge := start(t)
		p.Edit(p.of(edge, "puller")[0].ID, func(r *harbor.Robot) { r.Disabled = true })
		o.clock.SetTime(o.clock.Now().Add(time.Hour))
		o.comesTo(t, edge, edgev1.RegistryVerified, edgev1.ReasonCredentialRefused)
		shown(t, page, "### Somebody disabled a robot", described(t, edge, name, edgev1.CredentialsIssued, edgev1.RegistryVerified))
	})
	t.Run("expired", func(t *testing.T) {
		o, p, edge := start(t)
		maker := p.others[0].ID
		p.Edit(maker, func(r *harbor.Robot) { r.Disabled = true })
		o.clock.SetTime(o.clock.Now().Add(25 * oneDay))
		o.comesTo(t, edge, edgev1.CredentialsIssued, edgev1.ReasonAccountRefused)
		shown(t, page, "### The account is refused", described(t, edge, name, edgev1.CredentialsIssued))

		o.clock.SetTime(o.clock.Now().Add(16 * oneDay))
		o.comesTo(t, edge, edgev1.RegistryVerified, edgev1.ReasonCredentialRefused)
		shown(t, page, "### A robot expired", described(t, edge, name, edgev1.CredentialsIssued, edgev1.RegistryVerified))

		p.Edit(maker, func(r *harbor.Robot) { r.Disabled = false })
		o.clock.SetTime(o.clock.Now().Add(time.Hour))
		o.settles(t, edge)
		NewWithT(t).Expect(publishedLogin(t, edge, "-pull").user).To(HaveSuffix("-puller-2"), "the next comes by itself")
	})
}

// keyRestricted is IAM's answer to a key that is used from an address which is not on its list.
const keyRestricted = `{"errorCode":"BXNIM0513E","errorMessage":"You are not authorized to access this resource from this IP address."}`

// showsItsToken matches the exchange of an API key for a token of IAM.
func showsItsToken(c standin.Call) bool { return c.Path == "/identity/token" }

func TestWhatDescribeSaysOfIBMCloudIsShown(t *testing.T) {
	const page, name = "../docs/ibmcloud.md", "plant-namespace"
	type mod = func(*edgev1.EdgeRegistry, *corev1.Secret)
	for heading, test := range map[string]struct {
		options ibmcloud.Options
		prepare func(*cloudWorld) []ibmcloud.Grant
		mod     mod
		// shows are the conditions that are shown, of which the first has the reason.
		shows  []string
		reason string
		// ready: it is Ready anyway.
		ready bool
	}{
		"### Ready": {
			shows: []string{edgev1.AccountReady, edgev1.RegistryNamespaceReady, edgev1.AccessGranted, edgev1.RegistryTrusted,
				edgev1.CredentialsIssued, edgev1.SecretsPublished, edgev1.RegistryVerified, edgev1.Ready},
			reason: edgev1.ReasonKeyAccepted, ready: true,
		},
		"### A new key does not count yet": {
			options: ibmcloud.Options{Delays: &ibmcloud.Delays{Keys: time.Minute}},
			shows:   []string{edgev1.RegistryVerified}, reason: edgev1.ReasonPropagating,
		},
		"### The supplied key is refused": {
			mod: func(_ *edgev1.EdgeRegistry, s *corev1.Secret) {
				s.Data["apikey"] = []byte("a-key-that-was-deleted-long-ago-at-ibm-cloud")
			},
			shows: []string{edgev1.AccountReady}, reason: edgev1.ReasonKeyRefused,
		},
		"### The supplied key is disabled": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.Inject(&standin.Fault{Match: describesKey, Always: true, Change: withField(`"disabled":true`)})
				return w.all()
			},
			shows: []string{edgev1.AccountReady}, reason: edgev1.ReasonKeyRefused,
		},
		"### The supplied key expires": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.Inject(&standin.Fault{Match: describesKey, Always: true, Change: withField(`"expires_at":"` + w.clock.Now().Add(10*oneDay).UTC().Format("2006-01-02T15:04-0700") + `"`)})
				return w.all()
			},
			shows: []string{edgev1.AccountReady}, reason: edgev1.ReasonKeyExpiring, ready: true,
		},
		"### The supplied key is one of another account": {
			mod:   func(e *edgev1.EdgeRegistry, _ *corev1.Secret) { e.Spec.IBMCloud.AccountID = "accother" },
			shows: []string{edgev1.AccountReady}, reason: edgev1.ReasonAccountMismatch,
		},
		"### The supplied key is restricted by address": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.Inject(&standin.Fault{Match: showsItsToken, Always: true, Status: http.StatusForbidden, Body: keyRestricted})
				return w.all()
			},
			shows: []string{edgev1.AccountReady}, reason: edgev1.ReasonKeyRestricted,
		},
		"### The registry namespace is another account's": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.AddAccount("accother", ibmcloud.AccountOptions{})
				w.AddNamespace("accother", cloudRegion, plantImages)
				return w.all()
			},
			shows: []string{edgev1.RegistryNamespaceReady}, reason: edgev1.ReasonRegistryNamespaceTaken,
		},
		"### A quota is used up": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.AddNamespace(plantAccount, cloudRegion, plantImages)
				w.SetQuota(plantAccount, cloudRegion, ibmcloud.Quota{StorageLimit: 512 << 20, StorageUsed: 600 << 20, TrafficLimit: -1})
				return w.all()
			},
			shows: []string{edgev1.RegistryNamespaceReady}, reason: edgev1.ReasonQuotaUsedUp, ready: true,
		},
		"### A quota is nearly used": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.AddNamespace(plantAccount, cloudRegion, plantImages)
				w.SetQuota(plantAccount, cloudRegion, ibmcloud.Quota{StorageLimit: -1, TrafficLimit: 5 << 30, TrafficUsed: 5 << 30 * 9 / 10})
				return w.all()
			},
			shows: []string{edgev1.RegistryNamespaceReady}, reason: edgev1.ReasonQuotaNearlyUsed, ready: true,
		},
		"### The supplied key lacks a right": {
			prepare: func(w *cloudWorld) []ibmcloud.Grant {
				w.AddNamespace(plantAccount, cloudRegion, plantImages)
				return []ibmcloud.Grant{{Roles: []string{"Reader"}, On: ibmcloud.OnNamespace(plantAccount, cloudRegion, plantImages)}}
			},
			shows: []string{edgev1.AccessGranted}, reason: edgev1.ReasonRightsMissing,
		},
	} {
		t.Run(strings.TrimPrefix(heading, "### "), func(t *testing.T) {
			w := startCloud(t, test.options)
			grants := w.all()
			if test.prepare != nil {
				grants = test.prepare(w)
			}
			var mods []mod
			if test.mod != nil {
				mods = append(mods, test.mod)
			}
			edge, _ := w.edge(t, grants, mods...)
			if test.ready {
				awaitReady(t, edge)
				NewWithT(t).Expect(condition(t, edge, test.shows[0]).Reason).To(Equal(test.reason))
			} else {
				awaitReason(t, edge, test.shows[0], test.reason)
			}
			shown(t, page, heading, described(t, edge, name, test.shows...))
		})
	}
}

// describesKey matches the question for the details of a key by its value.
func describesKey(c standin.Call) bool { return c.Path == "/v1/apikeys/details" }

// withField puts a field last into an answer in JSON, where it counts.
func withField(field string) func([]byte) []byte {
	return func(body []byte) []byte {
		return []byte(strings.TrimSuffix(strings.TrimSpace(string(body)), "}") + "," + field + "}")
	}
}
