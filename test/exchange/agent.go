// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// PollInterval is the longest pause between two polls of an agent (config/constants.go).
	PollInterval = 2 * time.Minute
	// staleEntry is what a login that the registry refuses costs: three attempts, 15 seconds apart (imagefetch/imagepull.go).
	staleEntry = 30 * time.Second
)

// Agent is a node with its copy of what the Exchange holds. Its methods are not safe for concurrent use.
type Agent struct {
	exchange        *Exchange
	org, id, secret string
	client          *http.Client
	changeID        int64
	// cache holds the logins of a service as they were first read, also that there were none (exchange/cache.go).
	cache map[string][]auth
}

// NewAgent starts a node that was added by AddNode. It begins with the latest change, as a node does that registers.
func (e *Exchange) NewAgent(ctx context.Context, org, id, token string) (*Agent, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.Roots, MinVersion: tls.VersionTLS12}}
	a := &Agent{exchange: e, org: org, id: id, secret: token, client: &http.Client{Transport: transport}, cache: map[string][]auth{}}
	var latest struct {
		ID int64 `json:"maxChangeId"`
	}
	if _, err := a.call(ctx, http.MethodGet, "changes/maxchangeid", nil, &latest); err != nil {
		return nil, err
	}
	a.changeID = latest.ID + 1
	return a, nil
}

// Poll asks for changes and drops what it holds of each service that changed. A change of the logins drops nothing
// (DeleteCacheResourceFromChange in exchange/cache.go).
func (a *Agent) Poll(ctx context.Context) error {
	var got struct {
		Changes []struct {
			Org      string `json:"orgId"`
			Resource string `json:"resource"`
			ID       string `json:"id"`
		} `json:"changes"`
		Recent int64 `json:"mostRecentChangeId"`
	}
	if _, err := a.call(ctx, http.MethodPost, "orgs/"+a.org+"/changes", map[string]any{"changeId": a.changeID, "maxRecords": 1000}, &got); err != nil {
		return err
	}
	for _, c := range got.Changes {
		if c.Resource == "service" {
			delete(a.cache, c.Org+"/"+c.ID)
		}
	}
	a.changeID = got.Recent + 1
	return nil
}

// Restart is a restart of the agent: what it held is gone, and its place in the changes is not.
func (a *Agent) Restart() { a.cache = map[string][]auth{} }

// Pulled is how a pull ended.
type Pulled struct {
	// OK: the registry took a login, that of the entry with this id.
	OK bool
	ID int
	// Waited is what stale entries before it cost.
	Waited time.Duration
}

// Pull pulls an image of a service, org/id, from a registry: the logins whose registry is exactly its host, by their ids
// (imagefetch/imagepull.go). The clock moves with each that accept refuses.
func (a *Agent) Pull(ctx context.Context, service, host string, accept func(user, token string) bool) (Pulled, error) {
	known, ok := a.cache[service]
	if !ok {
		org, name, _ := strings.Cut(service, "/")
		status, err := a.call(ctx, http.MethodGet, "orgs/"+org+"/services/"+url.PathEscape(name)+"/dockauths", nil, &known)
		if err != nil && status != http.StatusNotFound {
			return Pulled{}, err
		}
		a.cache[service] = known
	}
	var p Pulled
	for _, login := range known {
		if login.Registry != host {
			continue
		}
		if accept(login.Username, login.Token) {
			p.OK, p.ID = true, login.ID
			return p, nil
		}
		a.exchange.Clock.Advance(staleEntry)
		p.Waited += staleEntry
	}
	return p, nil
}

func (a *Agent) call(ctx context.Context, method, path string, send, receive any) (int, error) {
	body, err := json.Marshal(send)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.exchange.URL+"/"+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(a.org+"/"+a.id, a.secret)
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("node %s: %s %s: %w", a.id, method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(receive); err != nil {
		return resp.StatusCode, fmt.Errorf("node %s: %s %s: answer %d: %w", a.id, method, path, resp.StatusCode, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return resp.StatusCode, fmt.Errorf("node %s: %s %s: answer %d", a.id, method, path, resp.StatusCode)
	}
	return resp.StatusCode, nil
}
