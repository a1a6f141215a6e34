// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestParseGeneration(t *testing.T) {
	for text, want := range map[string]int64{
		"7": 7, "+7": 7, "07": 7, "999999999": LastGeneration,
		"1000000000": 0, "9223372036854775807": 0, "9223372036854775808": 0, "-9223372036854775808": 0,
		"": 0, "0": 0, "-1": 0, " 7": 0, "7x": 0, "7.0": 0, "seven": 0,
	} {
		NewWithT(t).Expect(ParseGeneration(text)).To(Equal(want), text)
	}
}
