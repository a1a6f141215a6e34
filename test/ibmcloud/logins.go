// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// access is what a registry's token is good for.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// badLogin is what ICR says of a credential that is not good, in traces.
const badLogin = "The login credentials are not valid, or your IBM Cloud account is not active."

// login makes a token of a region's registry (GET /oauth/token), good for what the caller may do of the scopes that it asks
// for. Nobody gets one that is good for nothing.
func (c *Cloud) login(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	region, _ := regionOf(hostOf(r))
	var who *identity
	if user, password, shown := r.BasicAuth(); shown {
		var refusal string
		if who, refusal = c.identify(user, password); who == nil {
			code := "UNAUTHORIZED"
			if refusal != badLogin {
				code = "UNSUPPORTED"
			}
			send(w, dataError(c.options.BadLogin, code, refusal, nil))
			return
		}
	}
	granted := []access{}
	// Some clients ask for all that they want in one parameter.
	for scope := range strings.FieldsSeq(strings.Join(r.URL.Query()["scope"], " ")) {
		if asked, valid := parseScope(scope); valid && who != nil {
			asked.Actions = slices.DeleteFunc(asked.Actions, func(action string) bool { return !c.mayData(who, region, asked.Name, action) })
			granted = append(granted, asked)
		}
	}
	token, at := c.registryToken(region, who, granted)
	send(w, reply{status: http.StatusOK, body: map[string]any{
		"token": token, "access_token": token, "expires_in": int(c.options.RegistryTokenLife.Seconds()),
		"issued_at": at.UTC().Format(time.RFC3339),
	}})
}

// identify is who logs in, by one of the user names that there are, or why nobody does (Registry docs, registry_access.md).
func (c *Cloud) identify(user, password string) (who *identity, refusal string) {
	switch user {
	case "iamapikey":
		if key, why := c.authenticate(password); why == "" {
			return c.identityOf(key), ""
		}
	case "iambearer":
		if bearer, good := c.bearerOf(password); good {
			return bearer, ""
		}
	default:
		return nil, "The user name is not supported."
	}
	return nil, badLogin
}

// identityOf is whose a key is, which may be deleted by now.
func (c *Cloud) identityOf(k *apiKey) *identity {
	if who := c.identities[k.IAMID]; who != nil {
		return who
	}
	return &identity{iamID: k.IAMID, account: k.AccountID}
}

// parseScope takes repository:NAME:ACTION,ACTION apart.
func parseScope(scope string) (access, bool) {
	first, last := strings.Index(scope, ":"), strings.LastIndex(scope, ":")
	if first < 0 || first == last {
		return access{}, false
	}
	return access{scope[:first], scope[first+1 : last], strings.Split(scope[last+1:], ",")}, scope[:first] == "repository"
}

// mayData reports whether somebody may pull from a repository, push to it, or delete in it.
func (c *Cloud) mayData(who *identity, region, repository, action string) bool {
	namespace, _, _ := strings.Cut(repository, "/")
	n := c.namespaces[region][namespace]
	if n == nil || !slices.Contains([]string{"pull", "push", "delete"}, action) {
		return false
	}
	return c.may(who, Registry+".image."+action, ofRegistry(n.Account, region, namespace))
}
