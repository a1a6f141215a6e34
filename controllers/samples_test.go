// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the samples of config/samples, from nothing to Ready.

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

// Each sample works as it stands, and an image goes in with its publish Secret and out with its pull Secret.
func TestEachSampleBecomesReady(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(env.RepoRoot(), "config", "samples", "edge_*.yaml"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(len(files)).To(BeNumerically(">=", 2))
	startOperator(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			g := NewWithT(t)
			content, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			edge := &edgev1.EdgeRegistry{}
			g.Expect(yaml.UnmarshalStrict(content, edge)).To(Succeed())
			strict := client.FieldValidation(metav1.FieldValidationStrict)
			g.Expect(admin.Create(t.Context(), edge, strict)).To(Succeed())
			t.Cleanup(func() {
				canary.harvest(context.Background(), edge)
				_ = admin.Delete(context.Background(), edge)
			})
			awaitReady(t, edge)
			publish, pull := secretOf(t, edge, pass.PublishSecretName(edge)), secretOf(t, edge, pass.PullSecretName(edge))
			pusher := openShift.ImageClient(publish.Data[handoff.KeyCA], string(publish.Data[handoff.KeyUser]), tokenOf(publish))
			puller := openShift.ImageClient(pull.Data[handoff.KeyCA], string(pull.Data[handoff.KeyUser]), tokenOf(pull))
			image := edge.Status.ImagePrefix + "/new-service:1.0.0"
			pushed, err := pusher.Push(t.Context(), image)
			g.Expect(err).NotTo(HaveOccurred(), "a repository that does not exist yet")
			g.Expect(puller.Pull(t.Context(), image)).To(Equal(pushed))
			_, err = puller.Push(t.Context(), image)
			g.Expect(err).To(HaveOccurred())
		})
	}
}
