// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

func TestNodesAreReadAsAnExchangeSendsThem(t *testing.T) {
	heard := time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		status int
		body   string
		nodes  []Node
		kind   Kind
	}{
		"two":                           {201, `{"nodes":[["plant/a","2026-03-01T08:00:00Z[UTC]"],["plant/b",null]]}`, []Node{{"plant/a", heard}, {"plant/b", time.Time{}}}, ""},
		"a time that is none":           {201, `{"nodes":[["plant/a","soon"]]}`, []Node{{"plant/a", time.Time{}}}, ""},
		"none":                          {404, `{"nodes":[]}`, []Node{}, ""},
		"no Exchange's address":         {404, `{"code":"not-found","msg":"unrecognized route"}`, nil, Unexpected},
		"an admin of the hub":           {403, `{"code":"access-denied","msg":""}`, nil, Denied},
		"it is away":                    {503, ``, nil, Unavailable},
		"a page":                        {201, `<html></html>`, nil, Unexpected},
		"a list of something else":      {201, `{"nodes":[{"id":"plant/a"}]}`, nil, Unexpected},
		"no list":                       {201, `{}`, nil, Unexpected},
		"a pair that names no node":     {201, `{"nodes":[[null,null]]}`, []Node{}, ""},
		"a time before the clock began": {201, `{"nodes":[["plant/a",""]]}`, []Node{{"plant/a", time.Time{}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			nodes, at, err := served(t, tt.status, tt.body, "Date", "Sun, 01 Mar 2026 09:00:00 GMT").Nodes(t.Context(), Service{ID: "plant/camera_1.0.0_amd64"})
			if tt.kind != "" {
				g.Expect(IsKind(err, tt.kind)).To(BeTrue(), "%v", err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(nodes).To(Equal(tt.nodes))
			g.Expect(at).To(BeTemporally("==", heard.Add(time.Hour)))
		})
	}
}

func TestFailuresAreReadAsNodesReportThem(t *testing.T) {
	for name, tt := range map[string]struct {
		status   int
		body     string
		failures []Failure
		kind     Kind
	}{
		"one of an image": {200, `{"nodeErrors":[{"nodeId":"plant/a","error":"[{\"event_code\":\"error_image_load\",\"workload\":{\"org\":\"plant\",\"url\":\"camera\"}}]","lastUpdated":"2026-03-01T08:00:00Z"}]}`,
			[]Failure{{"plant/a", "plant/camera", time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)}}, ""},
		"another failure": {200, `{"nodeErrors":[{"nodeId":"plant/a","error":"[{\"event_code\":\"error_start_container\",\"workload\":{\"org\":\"plant\",\"url\":\"camera\"}}]"}]}`, nil, ""},
		"text":            {200, `{"nodeErrors":[{"nodeId":"plant/a","error":"help"}]}`, nil, ""},
		"none":            {200, `{"nodeErrors":[]}`, nil, ""},
		"it is denied":    {403, `{"code":"access-denied","msg":""}`, nil, Denied},
		"a page":          {200, `<html></html>`, nil, Unexpected},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			failures, err := served(t, tt.status, tt.body).Failures(t.Context())
			if tt.kind != "" {
				g.Expect(IsKind(err, tt.kind)).To(BeTrue(), "%v", err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(failures).To(Equal(tt.failures))
		})
	}
}

func TestWhoIsAnAdministratorTheExchangeSays(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.AddKey(org, "boss", "a-key-of-the-exchange", false)
	w.AddUser("elsewhere", "chief", "chief-s-long-password", true)
	for _, tt := range []struct {
		user, password string
		admin          bool
	}{
		{alice, password, false},
		{"boss", "boss-s-long-password", true},
		{"apikey", "a-key-of-the-exchange", true},
		{"elsewhere/chief", "chief-s-long-password", false},
	} {
		admin, err := w.as(tt.user, tt.password).IsAdmin(t.Context())
		g.Expect(err).NotTo(HaveOccurred(), tt.user)
		g.Expect(admin).To(Equal(tt.admin), tt.user)
	}
}
