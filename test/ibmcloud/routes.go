// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// reply is a status and what is sent with it.
type reply struct {
	status int
	body   any
	header http.Header
}

func (c *Cloud) routes() {
	c.iam, c.api = http.NewServeMux(), http.NewServeMux()
	c.iam.HandleFunc("POST /identity/token", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		send(w, c.exchange(r))
	})
	c.serviceIDRoutes()
	c.keyRoutes()
	c.policyRoutes()
	c.api.HandleFunc("GET /oauth/token", c.login)
	c.apiRoutes()
	for _, mux := range []*http.ServeMux{c.iam, c.api} {
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
			send(w, c.fail(http.StatusNotFound, "not_found", "BXNIM0102E", "Unable to find object", "no such route"))
		})
	}
}

// handle serves a route of IAM to whoever shows a token. What it calls runs alone.
func (c *Cloud) handle(pattern string, serve func(who *identity, r *http.Request) reply) {
	c.iam.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		who, known := c.bearer(r)
		if !known {
			send(w, c.fail(http.StatusUnauthorized, "unauthorized", "BXNIM0308E", "Not authorized", "the token is not valid or has expired"))
			return
		}
		send(w, serve(who, r))
	})
}

func send(w http.ResponseWriter, r reply) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	if r.status == http.StatusNoContent {
		w.WriteHeader(r.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(r.body)
}

// fail is an error of the identity API (platform-services, ExceptionResponse).
func (c *Cloud) fail(status int, code, messageCode, message, details string) reply {
	id := c.newHex()
	return reply{status: status, body: map[string]any{
		"context":     map[string]string{"requestId": id, "requestType": "incoming", "url": "https://" + IAMHost},
		"status_code": strconv.Itoa(status),
		"errors":      []map[string]string{{"code": code, "message_code": messageCode, "message": message, "details": details}},
		"trace":       id,
	}}
}

func (c *Cloud) notFound(id string) reply {
	return c.fail(http.StatusNotFound, "not_found", "BXNIM0102E", "Unable to find object", "no object "+id)
}

func (c *Cloud) invalid(details string) reply {
	return c.fail(http.StatusBadRequest, "bad_request", "BXNIM0109E", "Property missing or wrong", details)
}

func (c *Cloud) forbidden(action string) reply {
	return c.fail(http.StatusForbidden, "forbidden", "BXNIM0513E", "You are not authorized to use this API.", "action: "+action)
}

func (c *Cloud) conflict(details string) reply {
	return c.fail(http.StatusConflict, "conflict", "BXNIM0114E", "Conflict", details)
}

// read decodes a body of JSON, of which unknown fields are passed over.
func read[T any](r *http.Request) (into T, err error) {
	err = json.NewDecoder(r.Body).Decode(&into)
	return into, err
}

// list is a page of a list of the identity API: 20 by default, at most 100, with URLs for the others.
func list[T any](c *Cloud, r *http.Request, field string, all []T) reply {
	query := r.URL.Query()
	size, from := 20, 0
	var err error
	if text := query.Get("pagesize"); text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 1 || size > 100 {
			return c.invalid("pagesize is " + text)
		}
	}
	if text := query.Get("pagetoken"); text != "" {
		decoded, wrong := base64.RawURLEncoding.DecodeString(text)
		if from, err = strconv.Atoi(string(decoded)); wrong != nil || err != nil || from < 0 || from > len(all) {
			return c.invalid("the page token is not valid")
		}
	}
	link := func(at int) string {
		query.Set("pagetoken", base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(at))))
		return (&url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawQuery: query.Encode()}).String()
	}
	body := map[string]any{"offset": from, "limit": size, "first": link(0), field: all[from:min(from+size, len(all))]}
	if from > 0 {
		body["previous"] = link(max(0, from-size))
	}
	if from+size < len(all) {
		body["next"] = link(from + size)
	}
	return reply{status: http.StatusOK, body: body}
}
