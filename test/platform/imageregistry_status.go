// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"errors"

	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	operatorv1 "github.com/openshift/api/operator/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// registryState is what the registry operator's conditions are made of.
type registryState struct {
	management operatorv1.ManagementState
	available  bool
	deployed   bool
	failed     error
	rejected   string // a refused Route, in words
}

const (
	isTrue  = operatorv1.ConditionTrue
	isFalse = operatorv1.ConditionFalse
)

// write puts the conditions into the status. A condition keeps its transition
// time while its status stays. The types besides Available, Progressing,
// Degraded and Removed belong to the operator's other controllers.
func (s registryState) write(status *imageregistryv1.ImageRegistryStatus) {
	permanent, _ := errors.AsType[permanentError](s.failed)
	conditions := []operatorv1.OperatorCondition{
		{Type: "AzureStackCloudControllerDegraded", Status: isFalse, Reason: "AsExpected"},
		{Type: "ConfigObservationDegraded", Status: isFalse},
		{Type: "ImageRegistryCertificatesControllerDegraded", Status: isFalse, Reason: "AsExpected"},
		{Type: "ImageConfigControllerDegraded", Status: isFalse, Reason: "AsExpected"},
		s.nodeCA(),
		{Type: "NodeCADaemonProgressing", Status: isFalse, Reason: "AsExpected", Message: "The daemon set node-ca is deployed"},
		{Type: "NodeCADaemonControllerDegraded", Status: isFalse, Reason: "AsExpected"},
	}
	if s.deployed {
		conditions = append(conditions, operatorv1.OperatorCondition{
			Type: "StorageExists", Status: isTrue, Reason: "Creation Successful", Message: "EmptyDir storage successfully created",
		})
	}
	conditions = append(conditions, s.availability(permanent), s.progress(), s.degradation(permanent), s.removal())
	for _, condition := range conditions {
		setCondition(status, condition)
	}
	status.ReadyReplicas = 0
	if s.deployed && s.available {
		status.ReadyReplicas = 1
	}
}

func setCondition(status *imageregistryv1.ImageRegistryStatus, c operatorv1.OperatorCondition) {
	c.LastTransitionTime = metav1.Now().Rfc3339Copy()
	for i, old := range status.Conditions {
		if old.Type != c.Type {
			continue
		}
		if old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
		}
		status.Conditions[i] = c
		return
	}
	status.Conditions = append(status.Conditions, c)
}

// settled is a condition of a registry that the operator does not run.
func (s registryState) settled(kind string, status operatorv1.ConditionStatus) operatorv1.OperatorCondition {
	if s.management == operatorv1.Unmanaged {
		return operatorv1.OperatorCondition{
			Type: kind, Status: status, Reason: "Unmanaged",
			Message: "The registry configuration is set to unmanaged mode",
		}
	}
	return operatorv1.OperatorCondition{Type: kind, Status: status, Reason: "Removed", Message: "The registry is removed"}
}

func (s registryState) nodeCA() operatorv1.OperatorCondition {
	c := operatorv1.OperatorCondition{
		Type: "NodeCADaemonAvailable", Status: isTrue, Reason: "AsExpected",
		Message: "The daemon set node-ca has available replicas",
	}
	if !s.available {
		c.Status, c.Reason = isFalse, "NoAvailableReplicas"
		c.Message = "The daemon set node-ca does not have available replicas"
	}
	return c
}

func (s registryState) availability(permanent permanentError) operatorv1.OperatorCondition {
	c := operatorv1.OperatorCondition{Type: "Available", Status: isFalse}
	switch {
	case s.management != operatorv1.Managed:
		return s.settled(c.Type, isTrue)
	case !s.deployed && permanent.reason != "":
		c.Reason, c.Message = permanent.reason, permanent.message
	case !s.deployed:
		c.Reason, c.Message = "DeploymentNotFound", "The deployment does not exist"
	case !s.available:
		c.Reason, c.Message = "NoReplicasAvailable", "The deployment does not have available replicas"
	default:
		c.Status, c.Reason, c.Message = isTrue, "Ready", "The registry is ready"
	}
	return c
}

func (s registryState) progress() operatorv1.OperatorCondition {
	c := operatorv1.OperatorCondition{Type: "Progressing", Status: isTrue}
	switch {
	case s.management == operatorv1.Unmanaged:
		return s.settled(c.Type, isFalse)
	case s.management == operatorv1.Removed:
		c.Status, c.Reason, c.Message = isFalse, "Removed", "All registry resources are removed"
	case s.failed != nil:
		c.Reason, c.Message = "Error", "Unable to apply resources: "+s.failed.Error()
	case !s.available:
		c.Reason, c.Message = "DeploymentNotCompleted", "The deployment has not completed"
	default:
		c.Status, c.Reason, c.Message = isFalse, "Ready", "The registry is ready"
	}
	return c
}

func (s registryState) degradation(permanent permanentError) operatorv1.OperatorCondition {
	c := operatorv1.OperatorCondition{Type: "Degraded", Status: isFalse}
	switch {
	case s.management != operatorv1.Managed:
		return s.settled(c.Type, isFalse)
	case permanent.reason != "":
		c.Status, c.Reason, c.Message = isTrue, permanent.reason, permanent.message
	case s.deployed && s.available && s.rejected != "":
		c.Status, c.Reason, c.Message = isTrue, "RouteDegraded", s.rejected
	}
	return c
}

func (s registryState) removal() operatorv1.OperatorCondition {
	if s.management == operatorv1.Removed {
		return s.settled("Removed", isTrue)
	}
	return operatorv1.OperatorCondition{Type: "Removed", Status: isFalse}
}
