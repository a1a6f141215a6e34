// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
)

func TestEachRegionHasAHostAndNoOtherHas(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Regions()).To(And(HaveLen(13), ContainElement("global")))
	g.Expect(slices.IsSorted(Regions())).To(BeTrue())
	hosts := map[string]bool{}
	for _, region := range Regions() {
		host, known := HostOf(region)
		g.Expect(known).To(BeTrue())
		hosts[host] = true
	}
	g.Expect(hosts).To(And(HaveLen(13), HaveKey("icr.io"), HaveKey("us.icr.io"), HaveKey("in2.icr.io")))
	for _, region := range []string{"", "us-east", "eu-fr2", "kr-seo", "US-SOUTH"} {
		_, known := HostOf(region)
		g.Expect(known).To(BeFalse(), region)
		for _, private := range []bool{false, true} {
			g.Expect(EndpointsOf(region, private).Registry).To(BeEmpty(), region)
		}
	}
}

func TestEndpointsArePublicOrPrivate(t *testing.T) {
	for _, tt := range []struct {
		region  string
		private bool
		want    Endpoints
	}{
		{"us-south", false, Endpoints{"https://iam.cloud.ibm.com", "https://us.icr.io"}},
		{"us-south", true, Endpoints{"https://private.us-south.iam.cloud.ibm.com", "https://private.us.icr.io"}},
		{"global", false, Endpoints{"https://iam.cloud.ibm.com", "https://icr.io"}},
		{"eu-gb", true, Endpoints{"https://private.iam.cloud.ibm.com", "https://private.uk.icr.io"}},
	} {
		NewWithT(t).Expect(EndpointsOf(tt.region, tt.private)).To(Equal(tt.want))
	}
}
