// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// Of several policies that grant the same, the one on record counts, wherever it is in the list.
func TestThePolicyOnRecordCountsWhereverItIsListed(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	record := bytes.Clone(w.record)
	another := func(body []byte) []byte {
		var page struct {
			Policies []map[string]any `json:"policies"`
		}
		if json.Unmarshal(body, &page) != nil || len(page.Policies) == 0 {
			return body
		}
		twin := map[string]any{}
		for key, value := range page.Policies[0] {
			twin[key] = value
		}
		twin["id"] = "another"
		page.Policies = append([]map[string]any{twin}, page.Policies...)
		changed, _ := json.Marshal(page)
		return changed
	}
	w.Inject(&standin.Fault{Always: true, Change: another, Match: func(c standin.Call) bool {
		return c.Method == http.MethodGet && strings.HasSuffix(c.Path, "/v2/policies")
	}})
	s := w.begin(t)
	for _, l := range s.Logins() {
		g.Expect(s.grant(t.Context(), l, s.Record.Identity(l.Role))).To(Succeed())
	}
	g.Expect(w.record).To(MatchJSON(record), "another policy is on record")
}

// A quota that is used up is reported at once.
func TestWhatIsSaidOfTheQuota(t *testing.T) {
	for name, tt := range map[string]struct {
		quota  ibmcloud.Quota
		reason string
		says   []string
	}{
		"nothing told":         {noQuota, edgev1.ReasonAdopted, nil},
		"little used":          {ibmcloud.Quota{StorageLimit: 100, StorageUsed: 10, TrafficLimit: -1}, edgev1.ReasonAdopted, nil},
		"storage nearly":       {ibmcloud.Quota{StorageLimit: 100, StorageUsed: 85, TrafficLimit: -1}, edgev1.ReasonQuotaNearlyUsed, []string{"80% or more of the 100 bytes of storage"}},
		"both nearly":          {ibmcloud.Quota{StorageLimit: 100, StorageUsed: 85, TrafficLimit: 10, TrafficUsed: 9}, edgev1.ReasonQuotaNearlyUsed, []string{"of storage", "90% or more of the 10 bytes of traffic"}},
		"storage up":           {ibmcloud.Quota{StorageLimit: 100, StorageUsed: 100, TrafficLimit: -1}, edgev1.ReasonQuotaUsedUp, []string{"used up its storage there, 100 of 100 bytes"}},
		"both up":              {ibmcloud.Quota{StorageLimit: 100, StorageUsed: 100, TrafficLimit: 10, TrafficUsed: 11}, edgev1.ReasonQuotaUsedUp, []string{"pushes are refused: delete images", "used up its traffic there, 11 of 10 bytes, so that pulls are refused"}},
		"traffic up, and more": {ibmcloud.Quota{StorageLimit: 100, StorageUsed: 95, TrafficLimit: 10, TrafficUsed: 10}, edgev1.ReasonQuotaUsedUp, []string{"used up its traffic", "90% or more of the 100 bytes of storage"}},
		"a limit of nothing":   {ibmcloud.Quota{StorageLimit: 0, TrafficLimit: -1}, edgev1.ReasonQuotaUsedUp, []string{"0 of 0 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, cloudtest.Delays{})
			done := w.begin(t).namespaceDone(tt.quota)
			g.Expect(done.Reason).To(Equal(tt.reason))
			for _, part := range tt.says {
				g.Expect(done.Message).To(ContainSubstring(part))
			}
			g.Expect(strings.Contains(done.Message, "quota-set")).To(Equal(tt.says != nil))
		})
	}
}
