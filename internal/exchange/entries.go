// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Entry is a login in the Exchange for the images of a service. Nodes try those whose registry is exactly the host of an image,
// in the order of their ids.
type Entry struct {
	ID       int
	Registry string
	User     string
	Token    credential.Token
	// Updated is when it last changed, by the clock of the Exchange; zero if that cannot be read.
	Updated time.Time
}

// Entries returns the logins of a service, org/id, ordered by id. If there is none the Exchange answers as if there were no such
// service: only a caller that has just seen the service in a list can distinguish the two.
func (c *Client) Entries(ctx context.Context, service string) ([]Entry, error) {
	op := "read the logins of " + service
	a, err := c.do(ctx, op, http.MethodGet, servicePath(service)+"/dockauths", nil)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusNotFound && bytes.Equal(bytes.TrimSpace(a.body), []byte("[]")) {
		return nil, nil
	}
	if a.status != http.StatusOK {
		return nil, c.unwanted(op, a)
	}
	var sent []struct {
		ID          int    `json:"dockAuthId"`
		Registry    string `json:"registry"`
		Username    string `json:"username"`
		Token       string `json:"token"`
		LastUpdated string `json:"lastUpdated"`
	}
	if err := decode(a.body, &sent); err != nil || sent == nil {
		return nil, c.fail(Unexpected, op, a.status, errMalformed)
	}
	entries := make([]Entry, 0, len(sent))
	for _, s := range sent {
		if s.ID <= 0 {
			// An entry without an id could be neither updated nor removed, and would be added again each time.
			return nil, c.fail(Unexpected, op, a.status, errMalformed)
		}
		entries = append(entries, Entry{s.ID, s.Registry, s.Username, token(s.Token), parseStamp(s.LastUpdated)})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.ID, b.ID) })
	return entries, nil
}

// Add adds a login to a service. If it is there already, the Exchange adds none.
func (c *Client) Add(ctx context.Context, service, registry, user string, token credential.Token) error {
	return c.write(ctx, "add a login to "+service, http.MethodPost, servicePath(service)+"/dockauths", registry, user, token)
}

// Update replaces the login with that id, which keeps its place.
func (c *Client) Update(ctx context.Context, service string, id int, registry, user string, token credential.Token) error {
	op := fmt.Sprintf("update login %d of %s", id, service)
	return c.write(ctx, op, http.MethodPut, servicePath(service)+"/dockauths/"+strconv.Itoa(id), registry, user, token)
}

// write always sends all three fields, because the Exchange fills an absent one with a default.
func (c *Client) write(ctx context.Context, op, method, path, registry, user string, token credential.Token) error {
	a, err := c.do(ctx, op, method, path, map[string]string{"registry": registry, "username": user, "token": token.Reveal()})
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated {
		return c.unwanted(op, a)
	}
	return nil
}

// Remove removes the login with that id. An absent one is the error NotFound.
func (c *Client) Remove(ctx context.Context, service string, id int) error {
	op := fmt.Sprintf("remove login %d of %s", id, service)
	a, err := c.do(ctx, op, http.MethodDelete, servicePath(service)+"/dockauths/"+strconv.Itoa(id), nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusNoContent {
		return c.unwanted(op, a)
	}
	return nil
}
