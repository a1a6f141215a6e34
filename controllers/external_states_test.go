// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the states of states_test.go that an EdgeRegistry of another registry can be in, and about what an older
// operator left of one.

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/objects"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/test/fixtures"
	"github.com/edge-registry/edge-registry-operator/test/platform"
)

func elsewhereNotInvited(t *testing.T) *edgev1.EdgeRegistry {
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	edge := apply(t, r.external(t))
	awaitReason(t, edge, edgev1.NamespaceReady, edgev1.ReasonNotInvited)
	return edge
}

func elsewhereRefused(t *testing.T) *edgev1.EdgeRegistry {
	r := startOtherRegistry(t)
	r.passwords[pullUser] = "another-secret"
	startOperator(t, anyHost)
	edge := r.external(t)
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	awaitReason(t, apply(t, edge), edgev1.RegistryVerified, edgev1.ReasonCredentialRefused)
	return edge
}

func elsewhereMissing(t *testing.T) *edgev1.EdgeRegistry {
	_, edge, pull := readyElsewhere(t)
	NewWithT(t).Expect(admin.Delete(t.Context(), pull)).To(Succeed())
	awaitReason(t, edge, edgev1.CredentialsIssued, edgev1.ReasonCredentialMissing)
	return edge
}

func elsewhereNotProven(t *testing.T) *edgev1.EdgeRegistry {
	r := startOtherRegistry(t)
	startOperator(t, anyHost)
	edge := r.external(t, func(e *edgev1.EdgeRegistry) { e.Spec.Verification.Repository = "" })
	inviteCopies(t, edge.Spec.Secrets.Namespace)
	r.supplyBoth(t, edge)
	awaitReady(t, apply(t, edge))
	NewWithT(t).Expect(condition(t, edge, edgev1.RegistryVerified).Reason).To(Equal(edgev1.ReasonNotProven))
	return edge
}

// externalUpgrades are what an older operator may have left behind of another registry, by what the EdgeRegistry asks for
// beyond both logins.
var externalUpgrades = map[string]func(*edgev1.EdgeRegistry){
	"external":           func(*edgev1.EdgeRegistry) {},
	"external-pull-only": func(e *edgev1.EdgeRegistry) { e.Spec.External.Publisher = nil },
}

// replicaElsewhere carries what was written for a registry, whose logins are the same everywhere.
func replicaElsewhere(t *testing.T, r *otherRegistry, namespace string) *replica {
	t.Helper()
	c := newReplica(namespace, []*platform.CA{r.ca})
	home := &corev1.Namespace{}
	NewWithT(t).Expect(admin.Get(t.Context(), client.ObjectKey{Name: namespace}, home)).To(Succeed())
	c.facts["home"] = string(home.UID)
	c.project, c.facts["host"], c.facts["port"] = "plant/edge", r.host, r.host[strings.Index(r.host, ":")+1:]
	for user, of := range map[string]string{pushUser: "publish-1", pullUser: "pull-1"} {
		password := r.passwords[user]
		canary.know(credential.NewToken(password))
		c.facts["password:"+of] = password
		c.facts["login:"+of] = base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	return c
}

func TestTheNextReleaseWritesOfOtherRegistriesWhatIsRecorded(t *testing.T) {
	for name, spec := range externalUpgrades {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := startOtherRegistry(t)
			startOperator(t, anyHost)
			edge := r.external(t, spec)
			inviteCopies(t, edge.Spec.Secrets.Namespace)
			r.supplyBoth(t, edge)
			awaitReady(t, apply(t, edge))
			c := replicaElsewhere(t, r, edge.Spec.Secrets.Namespace)
			c.knowEdge(edge)
			record := copyIn(t, operatorNamespace, recordName(edge.UID))
			documents := []string{c.document(t, edge), c.document(t, record)}
			for _, secret := range listed(t, &corev1.SecretList{}, client.InNamespace(c.target), client.MatchingLabels{objects.EdgeLabel: edge.Name}) {
				documents = append(documents, c.document(t, secret))
			}
			found := strings.Join(documents, "---\n")
			g.Expect(strings.Contains(found, "-secret\n") || strings.Contains(found, "-----BEGIN")).To(BeFalse(), "a password or a certificate")
			g.Expect(found).To(Equal(fixtures.Want(t, upgradeFile(nextRelease, name, "objects.yaml"), []byte(found))))
		})
	}
}

// Whatever a release left behind of another registry the operator goes on with: what is published stays as it is.
func TestWhatEarlierReleasesWroteOfOtherRegistriesIsAccepted(t *testing.T) {
	for name := range externalUpgrades {
		files, err := filepath.Glob(upgradeFile("*", name, "objects.yaml"))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(files).NotTo(BeEmpty())
		for _, file := range files {
			t.Run(filepath.Base(filepath.Dir(filepath.Dir(file)))+"/"+name, func(t *testing.T) {
				g := NewWithT(t)
				r := startOtherRegistry(t)
				c := replicaElsewhere(t, r, makeNamespace(t).Name)
				of := &edgev1.EdgeRegistry{}
				of.Name, of.Spec.Secrets.Namespace = "edge-"+rand.String(5), c.target
				inviteCopies(t, c.target, of.Name)
				r.supplyBoth(t, of)
				since := pass.Timestamp(time.Now())
				c.facts["name"], c.facts["iat:publish-1"], c.facts["iat:pull-1"] = of.Name, since, since
				edge := c.load(t, file)
				published := contents(t, c.target)

				o := startOperator(t, anyHost)
				o.pass(t, edge)
				found := map[string]any{"ready": condition(t, edge, edgev1.Ready).Reason, "writes": c.requests(o.wire.writes())}
				content, err := yaml.Marshal(found)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(content)).To(Equal(fixtures.Want(t, filepath.Join(filepath.Dir(file), "want.yaml"), content)))
				awaitReady(t, edge)
				g.Expect(contents(t, c.target)).To(Equal(published), "what is published stays")
			})
		}
	}
}
