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
)

func TestDeletionBearsARefusalButNotInANewProject(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no"))
	missing := apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, "a")
	now := time.Now()
	old := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-bindingDelay))}}
	fresh := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(time.Second - bindingDelay))}}
	ahead := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(time.Hour))}}
	for name, tt := range map[string]struct {
		left remains
		err  error
		want bool
	}{
		"a refusal in an old project":                    {remains{namespace: old, requested: true}, forbidden, false},
		"a refusal in a project that was just requested": {remains{namespace: fresh, requested: true}, forbidden, true},
		"a refusal, by a clock that is far behind":       {remains{namespace: ahead, requested: true}, forbidden, false},
		"a refusal in a new project of somebody else's":  {remains{namespace: fresh}, forbidden, false},
		"absence": {remains{namespace: fresh, requested: true}, missing, false},
		"nothing": {remains{namespace: fresh, requested: true}, nil, false},
		"an API that does not answer, in a foreign project": {remains{namespace: old}, apierrors.NewServiceUnavailable("down"), true},
	} {
		t.Run(name, func(t *testing.T) {
			tt.left.now = now
			NewWithT(t).Expect(tt.left.excuse(tt.err) != nil).To(Equal(tt.want))
		})
	}
}
