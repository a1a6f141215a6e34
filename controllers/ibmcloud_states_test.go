// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

// This file is about the states of states_test.go that an EdgeRegistry at IBM Cloud can be in.

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/ibmcloud"
)

func cloudNamespaceAbsent(t *testing.T) *edgev1.EdgeRegistry {
	w := startCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all(), func(e *edgev1.EdgeRegistry, _ *corev1.Secret) {
		e.Spec.IBMCloud.RegistryNamespace.Policy = edgev1.RegistryNamespaceAdopt
	})
	awaitReason(t, edge, edgev1.RegistryNamespaceReady, edgev1.ReasonRegistryNamespaceAbsent)
	return edge
}

func cloudPropagating(t *testing.T) *edgev1.EdgeRegistry {
	w := startCloud(t, ibmcloud.Options{Delays: &ibmcloud.Delays{Keys: time.Minute}})
	edge, _ := w.edge(t, w.all())
	awaitReason(t, edge, edgev1.RegistryVerified, edgev1.ReasonPropagating)
	return edge
}

func cloudKeyRefused(t *testing.T) *edgev1.EdgeRegistry {
	w := startCloud(t, ibmcloud.Options{})
	edge, _ := w.edge(t, w.all(), func(_ *edgev1.EdgeRegistry, s *corev1.Secret) {
		s.Data["apikey"] = []byte("a-key-that-was-deleted-long-ago-at-ibm-cloud")
	})
	awaitReason(t, edge, edgev1.AccountReady, edgev1.ReasonKeyRefused)
	return edge
}

func cloudQuotaUsedUp(t *testing.T) *edgev1.EdgeRegistry {
	w := startCloud(t, ibmcloud.Options{})
	w.AddNamespace(plantAccount, cloudRegion, plantImages)
	w.SetQuota(plantAccount, cloudRegion, ibmcloud.Quota{StorageLimit: 512 << 20, StorageUsed: 600 << 20, TrafficLimit: -1})
	edge, _ := w.edge(t, w.all())
	awaitReady(t, edge)
	NewWithT(t).Expect(condition(t, edge, edgev1.RegistryNamespaceReady).Reason).To(Equal(edgev1.ReasonQuotaUsedUp))
	return edge
}
