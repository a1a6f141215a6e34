// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Whoever administers the namespace can write anything into an annotation.
func TestAnnotatedTime(t *testing.T) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for value, want := range map[string]time.Time{
		"2026-05-06T07:08:09Z": at, "2026-05-06T09:08:09+02:00": at, "": {}, "2026-05-06": {}, "1778051289": {}, " 2026-05-06T07:08:09Z": {},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"at": value}}}
		NewWithT(t).Expect(AnnotatedTime(secret, "at").Equal(want)).To(BeTrue(), value)
	}
}
