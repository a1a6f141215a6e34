// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"net/http"
	"time"
)

// api returns a request to the management API of the registry, with the header for the account.
func (c *Client) api(op, method, account string) request {
	r := request{op: op, method: method, base: c.endpoints.Registry, header: http.Header{}}
	r.header.Set("Account", account)
	return r.about(account)
}

// Namespaces returns the names of the account's namespaces that the key may see.
func (c *Client) Namespaces(ctx context.Context, account string) ([]string, error) {
	var names []string
	err := c.read(ctx, c.api("list namespaces", http.MethodGet, account).at("/api/v1/namespaces"), &names)
	return names, err
}

// Namespace is a namespace of an account in the registry of one region.
type Namespace struct {
	Name, Account, CRN string
	// ResourceGroup is an id; empty for a namespace that is in none.
	ResourceGroup string
	// CreatedAt is in UTC; zero if IBM Cloud does not return it.
	CreatedAt time.Time
}

// NamespaceDetails returns the namespaces that the key may see, with details.
func (c *Client) NamespaceDetails(ctx context.Context, account string) ([]Namespace, error) {
	var wire []struct {
		Account       string `json:"account"`
		Name          string `json:"name"`
		CRN           string `json:"crn"`
		ResourceGroup string `json:"resource_group"`
		Created       stamp  `json:"created_date"`
	}
	err := c.read(ctx, c.api("list namespaces", http.MethodGet, account).at("/api/v1/namespaces/details"), &wire)
	if err != nil {
		return nil, err
	}
	var found []Namespace
	for _, one := range wire {
		found = append(found, Namespace{one.Name, one.Account, one.CRN, one.ResourceGroup, one.Created.at})
	}
	return found, nil
}

// CreateNamespace creates a namespace, in a resource group or, without one, in the account's default group. It reports false if the
// account has it already, also if a first reply was lost: so true means that this call created it, and false that it may have.
func (c *Client) CreateNamespace(ctx context.Context, account, name, resourceGroup string) (created bool, err error) {
	r := c.api("create a namespace", http.MethodPut, account).at("/api/v1/namespaces/%s", name)
	if resourceGroup != "" {
		r.header.Set("X-Auth-Resource-Group", resourceGroup)
	}
	a, err := c.do(ctx, r)
	return a.status == http.StatusCreated, err
}

// DeleteNamespace deletes a namespace and every image in it. With NotFound it may be gone: a list shows it.
func (c *Client) DeleteNamespace(ctx context.Context, account, name string) error {
	return c.send(ctx, c.api("delete a namespace", http.MethodDelete, account).at("/api/v1/namespaces/%s", name))
}

// Quota is the limit and the use of an account's storage in a region and of its monthly traffic, in bytes. A limit of -1 is none.
type Quota struct{ StorageLimit, StorageUsed, TrafficLimit, TrafficUsed int64 }

// Quota returns the quota of an account in the region.
func (c *Client) Quota(ctx context.Context, account string) (Quota, error) {
	type bytes struct {
		Storage int64 `json:"storage_bytes"`
		Traffic int64 `json:"traffic_bytes"`
	}
	wire := struct {
		Limit bytes `json:"limit"`
		Usage bytes `json:"usage"`
	}{Limit: bytes{-1, -1}}
	if err := c.read(ctx, c.api("read the quota", http.MethodGet, account).at("/api/v1/quotas"), &wire); err != nil {
		return Quota{}, err
	}
	return Quota{wire.Limit.Storage, wire.Usage.Storage, wire.Limit.Traffic, wire.Usage.Traffic}, nil
}
