// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestAGenerationIsOnlyWhatTheOperatorWouldWrite(t *testing.T) {
	for name, want := range map[string]int64{
		"e-push-1": 1, "e-push-42": 42, "e-push-999999999": 999_999_999,
		"e-push-1000000000": 0, "e-push-9223372036854775807": 0, "e-push-9223372036854775808": 0, "e-push-99999999999999999999": 0,
		"e-push-0": 0, "e-push--1": 0, "e-push-01": 0, "e-push-+1": 0, "e-push-1_0": 0, "e-push-0x1": 0, "e-push-": 0, "e-push": 0,
		"e-pull-1": 0, "push-1": 0, "1": 0, "": 0, "e-push-1-1": 0, "xe-push-1": 0,
	} {
		NewWithT(t).Expect(generationIn(name, "e-push")).To(Equal(want), name)
	}
}
