// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTheRegistryIsToldTheAccountEachTime(t *testing.T) {
	g := NewWithT(t)
	w := newCloud(t).on(quotaPath, fine).on("GET /api/v1/namespaces", reply{status: 200, body: `["edge","other"]`}).
		on("GET /api/v1/namespaces/details", reply{status: 200, body: `[{"account":"0a1b2c","name":"edge","crn":"crn:ns","resource_group":"rg",
			"created_date":"2026-11-21T21:05:06.7Z","updated_date":"x"},{"name":"old"}]`}).
		on("PUT /api/v1/namespaces/edge", reply{status: 201, body: `{"namespace":"edge"}`}).
		on("DELETE /api/v1/namespaces/edge", reply{status: 204})
	c := w.client(nil)
	quota, err := c.Quota(t.Context(), account)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(quota).To(Equal(Quota{StorageLimit: 5, StorageUsed: 3, TrafficLimit: -1, TrafficUsed: 4}))
	names, err := c.Namespaces(t.Context(), account)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(names).To(Equal([]string{"edge", "other"}))
	details, err := c.NamespaceDetails(t.Context(), account)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(details).To(Equal([]Namespace{
		{"edge", account, "crn:ns", "rg", time.Date(2026, 11, 21, 21, 5, 6, 7e8, time.UTC)}, {Name: "old"},
	}))
	_, err = c.CreateNamespace(t.Context(), account, "edge", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.DeleteNamespace(t.Context(), account, "edge")).To(Succeed())
	calls := w.asked()
	g.Expect(calls).To(HaveLen(5))
	for _, call := range calls {
		g.Expect(call.header.Get("Account")).To(Equal(account), call.String())
	}
}

func TestANamespaceIsMadeOrThereAlready(t *testing.T) {
	g := NewWithT(t)
	const route = "PUT /api/v1/namespaces/edge"
	w := newCloud(t).on(route, reply{status: 201, body: `{"namespace":"edge"}`}, reply{status: 200, body: `{"namespace":"edge"}`},
		reply{status: 409, body: `{"code":"CRG0001E","message":"taken","request-id":"1"}`})
	c := w.client(nil)
	created, err := c.CreateNamespace(t.Context(), account, "edge", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(created).To(BeTrue())
	created, err = c.CreateNamespace(t.Context(), account, "edge", "group-1")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(created).To(BeFalse())
	_, err = c.CreateNamespace(t.Context(), account, "edge", "")
	g.Expect(failed(t, err).Kind).To(Equal(Exists))
	calls := w.asked()
	g.Expect(calls[0].header).NotTo(HaveKey("X-Auth-Resource-Group"))
	g.Expect(calls[1].header.Get("X-Auth-Resource-Group")).To(Equal("group-1"))
	g.Expect(calls[0].body + calls[0].header.Get("Content-Type")).To(BeEmpty())

	w.on(route, reply{cut: true}, reply{status: 200, body: `{"namespace":"edge"}`})
	created, err = c.CreateNamespace(t.Context(), account, "edge", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(created).To(BeFalse(), "whose it is, is not known after a lost reply")
}

func TestWhatTheRegistryAnswersIsAListOrAnError(t *testing.T) {
	for body, want := range map[string]Kind{`[]`: "", `null`: "", `{}`: Unexpected, ``: Unexpected, `<html>`: Unexpected, `[1]`: Unexpected} {
		w := newCloud(t).on("GET /api/v1/namespaces", reply{status: 200, body: body}).on("GET /api/v1/namespaces/details", reply{status: 200, body: body})
		_, err := w.client(nil).Namespaces(t.Context(), account)
		NewWithT(t).Expect(KindOf(err)).To(Equal(want), body)
		_, err = w.client(nil).NamespaceDetails(t.Context(), account)
		NewWithT(t).Expect(KindOf(err)).To(Equal(want), body)
	}
	w := newCloud(t).on(quotaPath, reply{status: 200, body: `{"usage":{"storage_bytes":1}}`})
	got, err := w.client(nil).Quota(t.Context(), account)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(got).To(Equal(Quota{StorageLimit: -1, StorageUsed: 1, TrafficLimit: -1}), "what is not told is no limit")
}
