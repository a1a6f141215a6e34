// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func TestACheckTellsOneTokenFromAnother(t *testing.T) {
	g := NewWithT(t)
	token := credential.NewToken("a-secret-of-a-machine")
	issued := Issued{Check: NewCheck(token)}
	g.Expect(issued.Matches(token)).To(BeTrue())
	g.Expect(issued.Matches(credential.NewToken("a-secret-of-another"))).To(BeFalse())
	g.Expect(issued.Matches(credential.Token{})).To(BeFalse())
	g.Expect((&Issued{}).Matches(token)).To(BeFalse(), "without a check nothing is known")
	g.Expect((&Issued{}).Matches(credential.Token{})).To(BeFalse())
	g.Expect(NewCheck(token)).NotTo(Equal(issued.Check), "each has its own salt")
}
