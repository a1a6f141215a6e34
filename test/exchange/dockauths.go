// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// auth is a login of a service's images. Its order of fields is that of the Exchange.
type auth struct {
	ID          int    `json:"dockAuthId"`
	Registry    string `json:"registry"`
	Username    string `json:"username"`
	Token       string `json:"token"`
	LastUpdated string `json:"lastUpdated"`

	service string
}

func (e *Exchange) dockauthRoutes() {
	const all = "/v1/orgs/{org}/services/{service}/dockauths"
	e.handle("GET "+all, e.reading(e.getAuths))
	e.handle("POST "+all, e.writing(e.postAuth))
	e.handle("DELETE "+all, e.writing(e.deleteAuths))
	e.handle("GET "+all+"/{id}", e.reading(e.getAuth))
	e.handle("PUT "+all+"/{id}", e.writing(e.putAuth))
	e.handle("DELETE "+all+"/{id}", e.writing(e.deleteAuth))
}

// authsOf returns the logins of a service by id.
func (e *Exchange) authsOf(service string) []*auth {
	found := []*auth{}
	for _, a := range e.auths {
		if a.service == service {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b *auth) int { return a.ID - b.ID })
	return found
}

// getAuths: 404 with an empty list, also where there is no such service (route/service/dockerauth/DockerAuths.scala).
func (e *Exchange) getAuths(_ caller, r *http.Request) reply {
	found := e.authsOf(serviceOf(r))
	if len(found) == 0 {
		return reply{http.StatusNotFound, found}
	}
	return reply{http.StatusOK, found}
}

func (e *Exchange) getAuth(_ caller, r *http.Request) reply {
	a, bad := e.authByID(r)
	switch {
	case bad != nil:
		return *bad
	case a == nil:
		return reply{http.StatusNotFound, []*auth{}}
	}
	return reply{http.StatusOK, a}
}

func (e *Exchange) authByID(r *http.Request) (*auth, *reply) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		bad := invalid("dockauthid must be an integer")
		return nil, &bad
	}
	for _, a := range e.auths {
		if a.ID == id && a.service == serviceOf(r) {
			return a, nil
		}
	}
	return nil, nil
}

// login is the body of POST and PUT (route/service/PostPutServiceDockAuthRequest.scala).
func login(r *http.Request) (auth, *reply) {
	var body struct {
		Registry *string `json:"registry"`
		Username *string `json:"username"`
		Token    *string `json:"token"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.Registry == nil || body.Token == nil {
		bad := invalid("malformed request")
		return auth{}, &bad
	}
	a := auth{Registry: *body.Registry, Username: "token", Token: *body.Token}
	if body.Username != nil {
		a.Username = *body.Username
	}
	return a, nil
}

// postAuth adds a login. One that is there already only gets a new time. Ids are the database's, and the first of all is
// answered as if it had been there.
func (e *Exchange) postAuth(_ caller, r *http.Request) reply {
	a, bad := login(r)
	if bad != nil {
		return *bad
	}
	id := serviceOf(r)
	if e.services[id] == nil {
		return reply{http.StatusInternalServerError, answer{"internal_error", "insert or update violates foreign key constraint"}}
	}
	added := e.addAuth(id, a)
	if added <= 1 {
		return created("dockauth resource updated")
	}
	return created(fmt.Sprintf("dockauth %d added", added))
}

// addAuth returns the id of what was added, or 0 where it was there.
func (e *Exchange) addAuth(service string, a auth) int {
	for _, known := range e.authsOf(service) {
		if known.Registry == a.Registry && known.Username == a.Username && known.Token == a.Token {
			known.LastUpdated = e.stamp(e.Clock.Now())
			e.log(service, "servicedockauths", "created")
			return 0
		}
	}
	e.lastAuth++
	a.ID, a.service, a.LastUpdated = e.lastAuth, service, e.stamp(e.Clock.Now())
	e.auths = append(e.auths, &a)
	e.log(service, "servicedockauths", "created")
	return a.ID
}

// putAuth replaces a login whole. It looks for no duplicate, and what it does not find it says with the code of success
// (route/service/dockerauth/DockerAuth.scala).
func (e *Exchange) putAuth(_ caller, r *http.Request) reply {
	wanted, bad := login(r)
	if bad != nil {
		return *bad
	}
	a, bad := e.authByID(r)
	if bad != nil {
		return *bad
	}
	if a == nil {
		return reply{http.StatusNotFound, answer{"ok", "dockauth " + r.PathValue("id") + " not found"}}
	}
	a.Registry, a.Username, a.Token, a.LastUpdated = wanted.Registry, wanted.Username, wanted.Token, e.stamp(e.Clock.Now())
	e.log(a.service, "servicedockauths", "created/modified")
	return created(fmt.Sprintf("dockauth %d updated", a.ID))
}

func (e *Exchange) deleteAuth(_ caller, r *http.Request) reply {
	a, bad := e.authByID(r)
	if bad != nil {
		return *bad
	}
	if a == nil {
		return notFound("dockauths not found")
	}
	e.auths = slices.DeleteFunc(e.auths, func(known *auth) bool { return known == a })
	e.log(a.service, "servicedockauths", "deleted")
	return reply{http.StatusNoContent, nil}
}

// deleteAuths deletes all of them, whosever they are.
func (e *Exchange) deleteAuths(_ caller, r *http.Request) reply {
	id := serviceOf(r)
	if len(e.authsOf(id)) == 0 {
		return notFound("no dockauths found")
	}
	e.dropAuths(id)
	e.log(id, "servicedockauths", "deleted")
	return reply{http.StatusNoContent, nil}
}

// dropAuths is what the database does when a service goes.
func (e *Exchange) dropAuths(service string) {
	e.auths = slices.DeleteFunc(e.auths, func(a *auth) bool { return a.service == service })
}

// AddLogin adds a login to a service, org/id, as a publisher does, and returns its id.
func (e *Exchange) AddLogin(service, registry, username, token string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.addAuth(service, auth{Registry: registry, Username: username, Token: token})
}

// Login is a login as it is stored. Its token is not to be printed.
type Login struct {
	ID                        int
	Registry, Username, Token string
}

// Logins returns those of a service, by id.
func (e *Exchange) Logins(service string) []Login {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []Login
	for _, a := range e.authsOf(service) {
		found = append(found, Login{a.ID, a.Registry, a.Username, a.Token})
	}
	return found
}
