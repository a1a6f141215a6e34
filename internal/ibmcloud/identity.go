// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// ServiceID is a service ID: an identity of an account that is not a person.
type ServiceID struct {
	// ID begins with ServiceId-, and IAMID, by which keys and policies name it, with iam-ServiceId-.
	ID, IAMID string
	// Name need not be unique.
	Name, Description, AccountID string
	// Locked: it can be neither changed nor deleted.
	Locked bool
	// CreatedAt is in UTC; zero if IBM Cloud does not return it.
	CreatedAt time.Time
}

type wireServiceID struct {
	ID          string `json:"id,omitempty"`
	IAMID       string `json:"iam_id,omitempty"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	AccountID   string `json:"account_id"`
	Locked      bool   `json:"locked,omitempty"`
	CreatedAt   stamp  `json:"created_at,omitzero"`
}

func (w wireServiceID) serviceID() ServiceID {
	return ServiceID{
		ID: w.ID, IAMID: w.IAMID, Name: w.Name, Description: w.Description, AccountID: w.AccountID, Locked: w.Locked,
		CreatedAt: w.CreatedAt.at,
	}
}

func (c *Client) iam(op, method string) request {
	return request{op: op, method: method, base: c.endpoints.IAM}
}

// identityPage is one page of a list of IAM's identities. Next is the URL of the next page.
type identityPage struct {
	ServiceIDs json.RawMessage `json:"serviceids"`
	Keys       json.RawMessage `json:"apikeys"`
	Next       string          `json:"next"`
}

// identities reads a list of IAM's identities to its end.
func (c *Client) identities(ctx context.Context, r request, take func(identityPage) bool) error {
	const parameter = "pagetoken"
	r.query.Set("pagesize", pageSize)
	return c.pages(ctx, r, func(a answer) (name, value string, ok bool) {
		var page identityPage
		if !a.decode(&page) || !take(page) {
			return "", "", false
		}
		if page.Next == "" {
			return parameter, "", true
		}
		value, ok = parameterOf(page.Next, parameter)
		return parameter, value, ok
	})
}

// ServiceIDs lists the service IDs of an account with exactly that name; with an empty name, all that the key may see.
func (c *Client) ServiceIDs(ctx context.Context, account, name string) ([]ServiceID, error) {
	r := c.iam("list service IDs", http.MethodGet).at("/v1/serviceids").about(account)
	r.query = url.Values{"account_id": {account}}
	if name != "" {
		r.query.Set("name", name)
	}
	var found []ServiceID
	err := c.identities(ctx, r, func(page identityPage) bool {
		listed, ok := items[wireServiceID](page.ServiceIDs)
		for _, one := range listed {
			found = append(found, one.serviceID())
		}
		return ok
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(s ServiceID) bool { return name != "" && s.Name != name }), nil
}

// ServiceID returns the service ID that has an id.
func (c *Client) ServiceID(ctx context.Context, id string) (ServiceID, error) {
	return c.serviceID(ctx, c.iam("read a service ID", http.MethodGet).at("/v1/serviceids/%s", id))
}

// CreateServiceID creates a service ID with a name and a description in an account. It is sent once: after an error of the kind
// Unavailable or Unexpected it may exist.
func (c *Client) CreateServiceID(ctx context.Context, s ServiceID) (ServiceID, error) {
	r := c.iam("create a service ID", http.MethodPost).at("/v1/serviceids").about(s.AccountID)
	r.creates = true
	r.body = wireServiceID{Name: s.Name, Description: s.Description, AccountID: s.AccountID}
	return c.serviceID(ctx, r)
}

func (c *Client) serviceID(ctx context.Context, r request) (ServiceID, error) {
	var wire wireServiceID
	if err := c.read(ctx, r, &wire); err != nil {
		return ServiceID{}, err
	}
	if wire.ID == "" || wire.IAMID == "" {
		return ServiceID{}, r.fail(Unexpected, 0, malformed)
	}
	return wire.serviceID(), nil
}

// UnlockServiceID unlocks a service ID, so that it can be deleted. An absent one is no error.
func (c *Client) UnlockServiceID(ctx context.Context, id string) error {
	return c.remove(ctx, c.iam("unlock a service ID", http.MethodDelete).at("/v1/serviceids/%s/lock", id))
}

// DeleteServiceID deletes a service ID, and with it its keys and policies. With NotFound it may be gone: a list shows it.
func (c *Client) DeleteServiceID(ctx context.Context, id string) error {
	return c.send(ctx, c.iam("delete a service ID", http.MethodDelete).at("/v1/serviceids/%s", id))
}

// send sends a request and ignores the body of the answer.
func (c *Client) send(ctx context.Context, r request) error {
	_, err := c.do(ctx, r)
	return err
}

// remove sends a request that removes something. An absent object is no error.
func (c *Client) remove(ctx context.Context, r request) error {
	err := c.send(ctx, r)
	if KindOf(err) == NotFound {
		return nil
	}
	return err
}
