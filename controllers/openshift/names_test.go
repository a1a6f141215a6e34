// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// One mark must not be found in another's.
func TestAnOwnerMarkIsOfOneEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	mark := ownerMark("factory", "1234")
	g.Expect("Images " + mark).To(ContainSubstring(mark))
	g.Expect(ownerMark("factory", "12345")).NotTo(ContainSubstring(mark))
	g.Expect(ownerMark("my-factory", "1234")).NotTo(ContainSubstring(mark))
}

// An object may have several owners, and no one of them alone keeps the name.
func TestEveryOwnerOfATakenNameIsNamed(t *testing.T) {
	g := NewWithT(t)
	owner := func(kind, name string) metav1.OwnerReference { return metav1.OwnerReference{Kind: kind, Name: name} }
	taken := takenNames{project: "plant"}
	account := requiredName{kind: corev1.SchemeGroupVersion.WithKind("ServiceAccount"), name: "edge-puller", field: "spec.openshift.puller.serviceAccountName"}
	taken.add(account, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{
		owner("Deployment", "other"), owner("EdgeRegistry", "north"), owner("EdgeRegistry", "south"),
	}}})
	g.Expect(taken.refusal()).To(MatchError(And(ContainSubstring(`EdgeRegistry "north"`), ContainSubstring(`EdgeRegistry "south"`), Not(ContainSubstring("delete")))))
	taken = takenNames{project: "plant"}
	taken.add(account, &corev1.ServiceAccount{})
	g.Expect(taken.refusal()).To(MatchError(ContainSubstring(`delete ServiceAccount "edge-puller"`)))
}
