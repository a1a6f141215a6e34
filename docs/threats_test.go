// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var threat = regexp.MustCompile(`(?m)^\| (T\d+) \|.*\|([^|]*)\|([^|]*)\|$`)

// TestEveryThreatHasATestOrSaysWhyNot leaves it to TestEveryTestThatIsNamedExists that the tests
// are there.
func TestEveryThreatHasATestOrSaysWhyNot(t *testing.T) {
	g := NewWithT(t)
	threats := threat.FindAllStringSubmatch(read(t, "internal/threat-model.md"), -1)
	g.Expect(len(threats)).To(BeNumerically(">=", 20))
	for at, row := range threats {
		g.Expect(row[1]).To(Equal("T"+strconv.Itoa(at+1)), "threats are numbered in their order")
		g.Expect(namedTest.MatchString(row[3]) || strings.Contains(row[2], "Accepted, because")).To(BeTrue(),
			"%s names no test, and does not say why it is accepted", row[1])
	}
}
