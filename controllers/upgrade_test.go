// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about what an older operator left, across all steps.

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/fixtures"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

// nextRelease is where what the operator writes now is recorded: the version of its API and its own.
// A release that writes something else gets a folder of its own, and those before it stay as they are.
const nextRelease = "v1alpha1-0.1.0"

// upgradeCase is what an older operator may have left behind.
type upgradeCase struct {
	name string
	// spec is what the EdgeRegistry asks for, given a namespace that lets copies in.
	spec func(e *edgev1.EdgeRegistry, target string)
	// cas are those of ca.crt, the current one first; the router's own when nil.
	cas func(*testing.T) []*platform.CA
	// then is what happens once it is Ready.
	then func(*testing.T, *replica, *edgev1.EdgeRegistry)
}

var upgradeCases = []upgradeCase{
	{name: "ready"},
	{name: "rotated", then: func(t *testing.T, _ *replica, edge *edgev1.EdgeRegistry) {
		askForNewTokens(t, edge, "2026-03-01")
	}},
	{name: "copies", spec: func(e *edgev1.EdgeRegistry, target string) {
		copyPublishTo(target)(e)
		copyPullTo(target)(e)
	}},
	{name: "long-lived", spec: func(e *edgev1.EdgeRegistry, _ string) { longLived(e) }},
	{
		name: "ca-rolling",
		cas: func(t *testing.T) []*platform.CA {
			keepCertificate(t)
			return []*platform.CA{platform.NewCA("ingress-operator@next"), openShift.Router.RotateCA()}
		},
		then: func(t *testing.T, r *replica, edge *edgev1.EdgeRegistry) {
			r.showCA()
			poke(t, edge)
			expectCAs(t, edge, edgev1.ReasonTrusted, r.cas...)
		},
	},
	{name: "suspended", then: func(t *testing.T, _ *replica, edge *edgev1.EdgeRegistry) {
		setSuspend(t, edge, true)
		awaitReason(t, edge, edgev1.Ready, edgev1.ReasonSuspended)
	}},
}

// begin prepares a namespace that lets copies in, and the CAs, for either side of the upgrade.
func (c upgradeCase) begin(t *testing.T) *replica {
	t.Helper()
	cas := []*platform.CA{openShift.Router.CA()}
	if c.cas != nil {
		cas = c.cas(t)
	}
	return newReplica(makeTarget(t), cas)
}

// showCA has the router publish and show the current CA.
func (r *replica) showCA() {
	if r.cas[0] != openShift.Router.CA() {
		openShift.Router.SetBoth(chainOf(r.cas[0]), platform.ChainPEM(chainOf(r.cas[0])))
	}
}

func upgradeFile(version, name, file string) string {
	return filepath.Join(env.RepoRoot(), "test", "fixtures", version, name, file)
}

func TestTheNextReleaseWritesWhatIsRecorded(t *testing.T) {
	for _, c := range upgradeCases {
		t.Run(c.name, func(t *testing.T) {
			r := c.begin(t)
			startOperator(t)
			edge := newEdge()
			if c.spec != nil {
				c.spec(edge, r.target)
			}
			awaitReady(t, apply(t, edge))
			if c.then != nil {
				c.then(t, r, edge)
			}
			if !edge.Spec.Suspend {
				awaitReady(t, edge)
			}
			found := r.record(t, reload(t, edge))
			g := NewWithT(t)
			for _, secret := range []string{"eyJ", "-----BEGIN"} {
				g.Expect(strings.Contains(string(found), secret)).To(BeFalse(), "a token or a key")
			}
			g.Expect(string(found)).To(Equal(fixtures.Want(t, upgradeFile(nextRelease, c.name, "objects.yaml"), found)))
		})
	}
}

// dockerConfigOf is how the login of a Secret is written for Docker: as auth alone.
func dockerConfigOf(secret *corev1.Secret) string {
	login := fmt.Sprintf("%s:%s", secret.Data[handoff.KeyUsername], secret.Data[handoff.KeyPassword])
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, secret.Data[handoff.KeyHost], base64.StdEncoding.EncodeToString([]byte(login)))
}

// Whatever a release left behind the operator goes on with: it mints nothing, makes nothing again, and
// writes what want.yaml lists, besides its status, which cannot be carried over to the second.
func TestWhatEarlierReleasesWroteIsAccepted(t *testing.T) {
	changeConfig(t, func(c *imageregistryv1.Config) { c.Spec.DefaultRoute = true })
	for _, c := range upgradeCases {
		files, err := filepath.Glob(upgradeFile("*", c.name, "objects.yaml"))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			t.Run(filepath.Base(filepath.Dir(filepath.Dir(file)))+"/"+c.name, func(t *testing.T) {
				g := NewWithT(t)
				r := c.begin(t)
				edge := r.load(t, file)
				tokens := tokensOf(t, edge)
				r.showCA()
				o := startOperator(t)
				o.pass(t, edge)
				found := map[string]any{"ready": condition(t, edge, edgev1.Ready).Reason, "writes": r.requests(o.wire.writes())}
				content, err := yaml.Marshal(found)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(content)).To(Equal(fixtures.Want(t, filepath.Join(filepath.Dir(file), "want.yaml"), content)))

				setSuspend(t, edge, false)
				o.pass(t, edge)
				awaitReady(t, edge)
				expectKept(t, edge, tokens)
				for _, role := range roles {
					secret, claims := published(t, edge, role)
					user := claims.ServiceAccount + "." + edge.Name
					held(t, secret.Data, handoff.KeyUser, user)
					held(t, secret.Data, handoff.KeyUsername, user)
					puller, _, _ := strings.Cut(strings.TrimPrefix(string(secret.Data[handoff.KeyRegistryAuth]), openShift.Host()+":"), ":")
					g.Expect(puller).To(Equal("edge-puller."+edge.Name), "what the Exchange is given tells whose it is")
					g.Expect(string(secret.Data[corev1.DockerConfigJsonKey]) == dockerConfigOf(secret)).To(BeTrue(), "the login is not written as auth alone")
				}
				g.Expect(o.mints(edge)).To(BeZero())
				for _, request := range o.wire.writes() {
					record := strings.Contains(request, "/namespaces/"+operatorNamespace+"/")
					g.Expect(strings.HasSuffix(request, "/secrets") && !record).To(BeFalse(), "%s: no bound Secret is made", request)
				}
			})
		}
	}
}
