// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"testing"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

func TestEachEventIsLogged(t *testing.T) {
	g := NewWithT(t)
	var logged []string
	log := funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})
	recorder := events.NewFakeRecorder(1)
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "factory"}}
	LogEvents(recorder, log).Eventf(edge, nil, "Warning", "HostChanged", "Reconcile", "the host was %s, and is another", "a.example.com")
	g.Expect(<-recorder.Events).To(HavePrefix("Warning HostChanged the host was a.example.com, and is another"))
	g.Expect(logged).To(HaveExactElements(And(
		ContainSubstring("the host was a.example.com"), ContainSubstring(`"reason"="HostChanged" "type"="Warning" "edgeRegistry"="factory"`))))
}
