// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Node is a node that runs a service, as its own status says.
type Node struct {
	// ID is its organisation and its id.
	ID string
	// Heartbeat is when the node last asked for changes, by the clock of the Exchange; zero if it never did, or if that is unreadable.
	Heartbeat time.Time
}

// Failure is the report of a node that it could not load an image of a service.
type Failure struct {
	// Node is its organisation and its id, and Service the organisation and the URL of the service, of whatever version.
	Node, Service string
	// At is when the node last changed its report, by the clock of the Exchange.
	At time.Time
}

// imageLoad is the code with which a node reports that it could not load an image (open-horizon/anax, persistence/eventlog.go).
const imageLoad = "error_image_load"

// Nodes returns the nodes of the organisation that run a service and that the login can see: all for an administrator of the
// organisation, its own for anybody else. The second value is the time of the Exchange; zero if the answer has none.
func (c *Client) Nodes(ctx context.Context, s Service) ([]Node, time.Time, error) {
	op := "find the nodes that run " + s.ID
	org, _, _ := strings.Cut(s.ID, "/")
	a, err := c.do(ctx, op, http.MethodPost, "/orgs/"+url.PathEscape(c.login.Org)+"/search/nodes/service", map[string]string{
		"orgid": org, "serviceURL": s.URL, "serviceVersion": s.Version, "serviceArch": s.Arch,
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	// Each node is a pair of id and heartbeat, and the heartbeat may be null. An empty list comes with 404.
	var sent struct {
		Nodes *[][2]*string `json:"nodes"`
	}
	decoded := decode(a.body, &sent)
	switch {
	case a.status != http.StatusCreated && a.status != http.StatusOK && a.status != http.StatusNotFound,
		a.status == http.StatusNotFound && sent.Nodes == nil:
		return nil, time.Time{}, c.unwanted(op, a)
	case decoded != nil || sent.Nodes == nil:
		return nil, time.Time{}, c.fail(Unexpected, op, a.status, errMalformed)
	}
	nodes := make([]Node, 0, len(*sent.Nodes))
	for _, pair := range *sent.Nodes {
		if pair[0] == nil {
			continue
		}
		n := Node{ID: *pair[0]}
		if pair[1] != nil {
			n.Heartbeat = parseStamp(*pair[1])
		}
		nodes = append(nodes, n)
	}
	return nodes, dateOf(a.header), nil
}

// Failures returns the nodes that report that they could not load an image, among those that the login can see.
func (c *Client) Failures(ctx context.Context) ([]Failure, error) {
	op := "read what nodes of " + c.login.Org + " report"
	a, err := c.do(ctx, op, http.MethodGet, "/orgs/"+url.PathEscape(c.login.Org)+"/search/nodes/error/all", nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, c.unwanted(op, a)
	}
	var sent struct {
		NodeErrors []struct {
			Node        string `json:"nodeId"`
			Error       string `json:"error"`
			LastUpdated string `json:"lastUpdated"`
		} `json:"nodeErrors"`
	}
	if err := decode(a.body, &sent); err != nil {
		return nil, c.fail(Unexpected, op, a.status, err)
	}
	var failures []Failure
	for _, n := range sent.NodeErrors {
		// The node wrote this string. If it is not in the form of an agent, ignore it.
		var reported []struct {
			Code    string `json:"event_code"`
			Service struct {
				Org string `json:"org"`
				URL string `json:"url"`
			} `json:"workload"`
		}
		if json.Unmarshal([]byte(n.Error), &reported) != nil {
			continue
		}
		for _, r := range reported {
			if r.Code == imageLoad {
				failures = append(failures, Failure{n.Node, r.Service.Org + "/" + r.Service.URL, parseStamp(n.LastUpdated)})
			}
		}
	}
	return failures, nil
}

// IsAdmin reports whether the login is an administrator of the organisation whose services it lists: only then is a list of nodes
// complete.
func (c *Client) IsAdmin(ctx context.Context) (bool, error) {
	self, err := c.Self(ctx)
	if err != nil {
		return false, err
	}
	org, name, _ := strings.Cut(self, "/")
	if org != c.login.Org {
		return false, nil
	}
	op := "find what the user may see"
	a, err := c.do(ctx, op, http.MethodGet, "/orgs/"+url.PathEscape(org)+"/users/"+url.PathEscape(name), nil)
	if err != nil {
		return false, err
	}
	if a.status != http.StatusOK {
		return false, c.unwanted(op, a)
	}
	var got struct {
		Users map[string]struct {
			Admin bool `json:"admin"`
		} `json:"users"`
	}
	if err := decode(a.body, &got); err != nil {
		return false, c.fail(Unexpected, op, a.status, err)
	}
	return got.Users[self].Admin, nil
}

// dateOf is the Date of an answer, by the server's clock, to the second; zero if it has none.
func dateOf(header http.Header) time.Time {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
