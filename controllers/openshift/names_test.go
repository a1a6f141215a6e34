// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package openshift

import (
	"testing"

	. "github.com/onsi/gomega"
)

// One mark must not be found in another's.
func TestAnOwnerMarkIsOfOneEdgeRegistry(t *testing.T) {
	g := NewWithT(t)
	mark := ownerMark("factory", "1234")
	g.Expect("Images " + mark).To(ContainSubstring(mark))
	g.Expect(ownerMark("factory", "12345")).NotTo(ContainSubstring(mark))
	g.Expect(ownerMark("my-factory", "1234")).NotTo(ContainSubstring(mark))
}
