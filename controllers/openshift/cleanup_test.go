// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
)

func TestDeletionBearsARefusalButNotInANewProject(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no"))
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "a")
	now := time.Now()
	old := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-bindingDelay))}}
	fresh := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(time.Second - bindingDelay))}}
	ahead := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(time.Hour))}}
	for name, tt := range map[string]struct {
		left projectState
		err  error
		want bool
	}{
		"a refusal in an old project":                    {projectState{namespace: old, requested: true}, forbidden, false},
		"a refusal in a project that was just requested": {projectState{namespace: fresh, requested: true}, forbidden, true},
		"a refusal, by a clock that is far behind":       {projectState{namespace: ahead, requested: true}, forbidden, false},
		"a refusal in a new project of somebody else's":  {projectState{namespace: fresh}, forbidden, false},
		"absence": {projectState{namespace: fresh, requested: true}, missing, false},
		"nothing": {projectState{namespace: fresh, requested: true}, nil, false},
		"an API that does not answer, in a foreign project": {projectState{namespace: old}, apierrors.NewServiceUnavailable("down"), true},
	} {
		t.Run(name, func(t *testing.T) {
			tt.left.now = now
			NewWithT(t).Expect(tt.left.ignoreGone(tt.err) != nil).To(Equal(tt.want))
		})
	}
}

// A project is deleted with its images only if nobody but the operator can have said that it is the EdgeRegistry's.
func TestWhichProjectWasRequestedForAnEdgeRegistry(t *testing.T) {
	edge := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: "factory", UID: "its-uid"}, Spec: edgev1.EdgeRegistrySpec{OpenShift: &edgev1.OpenShiftSpec{}}}
	mark, another := ownerMark("factory", "its-uid"), ownerMark("factory", "another-uid")
	for name, tt := range map[string]struct {
		record      pass.Record
		description string
		want        bool
	}{
		"on record":                              {pass.Record{Served: map[string]types.UID{"factory": "the-one"}}, "", true},
		"made again, and says that it is":        {pass.Record{Served: map[string]types.UID{"factory": "the-one-before"}}, mark, false},
		"not on record yet, and says that it is": {pass.Record{}, "images " + mark, true},
		"not on record yet, and another's":       {pass.Record{}, another, false},
		"the record is lost, whatever it says":   {pass.Record{Lost: true}, mark, false},
		"it may be another, whatever it says":    {pass.Record{Served: map[string]types.UID{"factory": ""}}, mark, false},
	} {
		t.Run(name, func(t *testing.T) {
			scope := pass.NewScope(edge, time.Now(), &pass.Memory{})
			scope.Record = &tt.record
			s := (&Provider{}).begin(scope)
			project := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{UID: "the-one", Annotations: map[string]string{descriptionAnnotation: tt.description}}}
			NewWithT(t).Expect(s.wasRequestedFor(project)).To(Equal(tt.want))
		})
	}
}
