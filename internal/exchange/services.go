// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Service is the part of a service in the Exchange that a pass needs.
type Service struct {
	// ID is its organisation and its id, and Owner the organisation and the name of its owner.
	ID, Owner string
	// URL, Version and Arch are what its id is made of.
	URL, Version, Arch string
	// Public: nodes of every organisation may read its logins.
	Public bool
	// Images are those of its deployment on devices or, if it has none, of the one on clusters. Cluster: it has only the latter, and
	// nodes of clusters do not read logins.
	Images  []string
	Cluster bool
	// ImageStore is an attribute that only the operator uses.
	ImageStore map[string]json.RawMessage
	// Updated is when it last changed, by the clock of the Exchange; zero if that cannot be read.
	Updated time.Time
}

// wireService is a service as it is sent.
type wireService struct {
	Owner             string          `json:"owner"`
	URL               string          `json:"url"`
	Version           string          `json:"version"`
	Arch              string          `json:"arch"`
	Public            bool            `json:"public"`
	Deployment        string          `json:"deployment"`
	ClusterDeployment string          `json:"clusterDeployment"`
	ImageStore        json.RawMessage `json:"imageStore"`
	LastUpdated       string          `json:"lastUpdated"`
}

func (w wireService) service(id string) Service {
	s := Service{ID: id, Owner: w.Owner, URL: w.URL, Version: w.Version, Arch: w.Arch, Public: w.Public, Updated: parseStamp(w.LastUpdated)}
	s.Cluster = w.Deployment == "" && w.ClusterDeployment != ""
	s.Images = imagesOf(cmp.Or(w.Deployment, w.ClusterDeployment))
	// Only an object can be kept beside the marker.
	if json.Unmarshal(w.ImageStore, &s.ImageStore) != nil {
		s.ImageStore = nil
	}
	return s
}

// Services returns the services of the organisation that the login can see, by id; of one owner, org/user, or of all owners.
func (c *Client) Services(ctx context.Context, owner string) ([]Service, error) {
	op := "list the services of " + c.login.Org
	path := "/orgs/" + url.PathEscape(c.login.Org) + "/services"
	if owner != "" {
		path += "?owner=" + url.QueryEscape(owner)
	}
	var found []Service
	var other *answer
	err := c.send(ctx, op, http.MethodGet, path, nil, func(resp *http.Response) error {
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
			return readOther(resp, &other)
		}
		var err error
		limited := &io.LimitedReader{R: resp.Body, N: maxList}
		found, err = decodeServices(limited, c.login.Org)
		switch {
		case err != nil && limited.N <= 0:
			return errTooLarge
		case errors.Is(err, errNoList) && resp.StatusCode == http.StatusNotFound:
			other = &answer{status: resp.StatusCode, header: resp.Header}
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case other != nil:
		return nil, c.unwanted(op, *other)
	}
	slices.SortFunc(found, func(a, b Service) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

func readOther(resp *http.Response, into **answer) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	*into = &answer{resp.StatusCode, resp.Header, body}
	return err
}

// errNoList: the answer holds no list. An empty list comes with 404 in the same form, so the form decides and not the status.
var errNoList = fmt.Errorf("%w: it lists no services", errMalformed)

// decodeServices reads a list one service at a time, so that no more than one deployment is in memory.
func decodeServices(body io.Reader, org string) ([]Service, error) {
	d := json.NewDecoder(body)
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errNoList
	}
	found, listed := []Service{}, false
	for d.More() {
		field, err := d.Token()
		if err != nil {
			return nil, readError(err)
		}
		if field != "services" {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return nil, readError(err)
			}
			continue
		}
		listed = true
		if found, err = decodeMap(d, org); err != nil {
			return nil, err
		}
	}
	if !listed {
		return nil, errNoList
	}
	return found, nil
}

func decodeMap(d *json.Decoder, org string) ([]Service, error) {
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errMalformed
	}
	found, at := []Service{}, map[string]int{}
	for d.More() {
		id, err := d.Token()
		if err != nil {
			return nil, readError(err)
		}
		var wire wireService
		if err := d.Decode(&wire); err != nil {
			return nil, readError(err)
		}
		// A malformed id must not lead a later request into another organisation.
		name, ok := id.(string)
		if !ok || !strings.HasPrefix(name, org+"/") || strings.Count(name, "/") != 1 {
			continue
		}
		if i, twice := at[name]; twice {
			// Of duplicate keys the last counts, as encoding/json does it.
			found[i] = wire.service(name)
			continue
		}
		at[name] = len(found)
		found = append(found, wire.service(name))
	}
	if _, err := d.Token(); err != nil {
		return nil, readError(err)
	}
	return found, nil
}

// errCut: the answer is incomplete, because the connection broke or the server stopped.
var errCut = fmt.Errorf("%w: it ends in the middle", errMalformed)

// readError returns the error of a connection as it is, and a fixed one for malformed JSON.
func readError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.As(err, &syntax), errors.As(err, &kind):
		return errMalformed
	}
	return err
}

// Marker is what a touch writes into a service, for people to read. The operator uses it only to save reads.
type Marker struct {
	// Name and UID are those of the EdgeRegistry, Generation that of the credential.
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Generation int64  `json:"generation"`
	// At is the time of the touch by the operator's clock, in RFC 3339.
	At string `json:"at"`
}

// markerKey is the key of the marker in the image store.
const markerKey = "edgeRegistry"

// marker returns the marker that a service has.
func (s Service) marker() Marker {
	var m Marker
	if json.Unmarshal(s.ImageStore[markerKey], &m) != nil {
		return Marker{}
	}
	return m
}

// Touch changes a service so that nodes read its logins again: it sets the marker in the image store, which neither hzn nor a node
// reads, or removes it if nil. The rest of the image store stays as it was listed.
func (c *Client) Touch(ctx context.Context, s Service, m *Marker) error {
	store := maps.Clone(s.ImageStore)
	if store == nil {
		store = map[string]json.RawMessage{}
	}
	delete(store, markerKey)
	if m != nil {
		encoded, err := json.Marshal(m)
		if err != nil {
			return err
		}
		store[markerKey] = encoded
	}
	op := "touch the service " + s.ID
	a, err := c.do(ctx, op, http.MethodPatch, servicePath(s.ID), map[string]any{"imageStore": store})
	if err != nil {
		return err
	}
	if a.status != http.StatusCreated {
		return c.unwanted(op, a)
	}
	return nil
}
