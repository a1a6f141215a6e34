// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const spacesURL = usURL + "/api/v1/namespaces"

// rightsOf are policies of one identity for what they are about.
func rightsOf(on map[string]string, roles ...string) Grant { return Grant{Roles: roles, On: on} }

// withOther is a copy of attributes with one more, or with another value.
func withOther(on map[string]string, key, value string) map[string]string {
	next := map[string]string{key: value}
	for k, v := range on {
		if k != key {
			next[k] = v
		}
	}
	return next
}

// TestRightsFollowFromPolicies asks for everything that has to do with a namespace, by who has one policy.
func TestRightsFollowFromPolicies(t *testing.T) {
	one, all := OnNamespace(plant, "us-south", sensors), OnNamespace(plant, "us-south", "")
	// What each may: pull, push, delete, list images, list namespaces, create one, see the quota.
	for name, c := range map[string]struct {
		grants []Grant
		may    string
	}{
		"nothing":                        {nil, "......."},
		"Reader of the namespace":        {[]Grant{rightsOf(one, "Reader")}, "P..LN.."},
		"Writer of the namespace":        {[]Grant{rightsOf(one, "Writer")}, "PWD...."},
		"both":                           {[]Grant{rightsOf(one, "Reader", "Writer")}, "PWDLN.."},
		"Manager of the namespace":       {[]Grant{rightsOf(one, "Manager")}, "PWDLN.."},
		"Manager of the region":          {[]Grant{rightsOf(all, "Manager")}, "PWDLNCQ"},
		"Manager of all regions":         {[]Grant{rightsOf(map[string]string{serviceAttribute: Registry}, "Manager")}, "PWDLNCQ"},
		"Manager of all services":        {[]Grant{rightsOf(nil, "Manager")}, "PWDLNCQ"},
		"Reader of the region":           {[]Grant{rightsOf(all, "Reader")}, "P..LN.Q"},
		"Writer of the region":           {[]Grant{rightsOf(all, "Writer")}, "PWD...Q"},
		"Reader of another namespace":    {[]Grant{rightsOf(OnNamespace(plant, "us-south", "others"), "Reader")}, "......."},
		"Reader of another region":       {[]Grant{rightsOf(OnNamespace(plant, "eu-de", sensors), "Reader")}, "......."},
		"Reader of the global one":       {[]Grant{rightsOf(OnNamespace(plant, "global", sensors), "Reader")}, "......."},
		"Reader of another service":      {[]Grant{rightsOf(withOther(one, serviceAttribute, "cloud-object-storage"), "Reader")}, "......."},
		"Reader of an instance":          {[]Grant{rightsOf(withOther(one, "serviceInstance", "x"), "Reader")}, "......."},
		"Reader in another account":      {[]Grant{rightsOf(withOther(one, accountAttribute, other), "Reader")}, "......."},
		"Administrator of the namespace": {[]Grant{rightsOf(one, "Administrator")}, "......."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.AddNamespace(plant, "us-south", sensors)
			who := w.AddServiceID(plant, "who", append(c.grants, rightsOf(ofGroup(plant, w.ResourceGroup(plant)), "Viewer"))...)
			NewWithT(t).Expect(w.mayDo(who)).To(Equal(c.may))
		})
	}
}

// mayDo is what somebody may do, a letter for each.
func (w *world) mayDo(who Key) string {
	w.t.Helper()
	may := []byte(".......")
	note := func(at int, letter byte, is bool) {
		if is {
			may[at] = letter
		}
	}
	granted := w.granted(usURL, who, "repository:"+sensors+"/camera:pull,push,delete")
	note(0, 'P', strings.Contains(granted, "pull"))
	note(1, 'W', strings.Contains(granted, "push"))
	note(2, 'D', strings.Contains(granted, "delete"))
	w.mu.Lock()
	call := apiCall{&http.Request{}, w.identities[who.IAMID], plant, "us-south"}
	note(3, 'L', w.mayAt(call, "image.list", sensors))
	w.mu.Unlock()
	var names []string
	listed := w.as(who, "GET", spacesURL, "")
	NewWithT(w.t).Expect(listed.status).To(Equal(http.StatusOK), "who has no rights gets an empty list")
	w.into(listed, &names)
	note(4, 'N', len(names) == 1)
	note(5, 'C', w.as(who, "PUT", spacesURL+"/sensors2", "").status == http.StatusCreated)
	note(6, 'Q', w.as(who, "GET", usURL+"/api/v1/quotas", "").status == http.StatusOK)
	return string(may)
}

// granted are the actions that a registry's token is good for, of one scope.
func (w *world) granted(at string, who Key, scope string) string {
	w.t.Helper()
	got := w.send("GET", at+"/oauth/token?service=registry&scope="+scope, "", basic("iamapikey", who.Value()))
	NewWithT(w.t).Expect(got.status).To(Equal(http.StatusOK))
	said, good := w.verify(w.body(got)["token"].(string), registryIssuer)
	NewWithT(w.t).Expect(good).To(BeTrue())
	NewWithT(w.t).Expect(said.Access).To(HaveLen(1))
	return strings.Join(said.Access[0].Actions, ",")
}

func TestThePoliciesOfTheGlobalRegistry(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	w.AddNamespace(plant, "global", sensors)
	scope := "repository:" + sensors + "/camera:pull"
	by := func(on map[string]string) string {
		return w.granted("https://icr.io", w.AddServiceID(plant, "who", rightsOf(on, "Reader")), scope)
	}
	g.Expect(by(OnNamespace(plant, "global", sensors))).To(Equal("pull"))
	g.Expect(by(withOther(OnNamespace(plant, "us-south", sensors), regionAttribute, "global"))).To(BeEmpty(), "global is no region")
	g.Expect(by(map[string]string{serviceAttribute: Registry})).To(Equal("pull"))
}

func TestRightsComeAndGoLater(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	w.AddNamespace(plant, "us-south", sensors)
	who := w.AddServiceID(plant, "puller")
	pulls := func() bool { return w.granted(usURL, who, "repository:"+sensors+"/camera:pull") == "pull" }
	id := w.idOf(w.as(w.owner, "POST", policiesURL, policyFor(who.IAMID, OnNamespace(plant, "us-south", sensors), reader)))
	g.Expect(pulls()).To(BeFalse(), "at once")
	w.advance(DefaultDelays.Grants)
	g.Expect(pulls()).To(BeTrue())
	g.Expect(w.as(w.owner, "DELETE", policiesURL+"/"+id, "").status).To(Equal(http.StatusNoContent))
	w.advance(DefaultDelays.Revocations - 1)
	g.Expect(pulls()).To(BeTrue(), "shortly before")
	w.advance(1)
	g.Expect(pulls()).To(BeFalse())

	w.SetDelays(Delays{})
	w.idOf(w.as(w.owner, "POST", policiesURL, policyFor(who.IAMID, OnNamespace(plant, "us-south", sensors), reader)))
	g.Expect(pulls()).To(BeTrue(), "without delays")
}

func TestTheAccountIsNamed(t *testing.T) {
	w := newWorld(t, Options{})
	bearer := "Authorization: Bearer " + w.token(w.owner)
	for name, c := range map[string]struct {
		target  string
		headers []string
		status  int
		code    string
	}{
		"named":               {spacesURL, []string{bearer, "Account: " + plant}, http.StatusOK, ""},
		"not named":           {spacesURL, []string{bearer}, http.StatusBadRequest, "CRG0009E"},
		"another":             {spacesURL, []string{bearer, "Account: " + other}, http.StatusForbidden, "CRG0009E"},
		"no token":            {spacesURL, []string{"Account: " + plant}, http.StatusUnauthorized, "CRG0014E"},
		"messages without it": {usURL + "/api/v1/messages", nil, http.StatusOK, ""},
		"quotas without it":   {usURL + "/api/v1/quotas", []string{bearer}, http.StatusBadRequest, "CRG0009E"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.send("GET", c.target, "", c.headers...)
			g := NewWithT(t)
			g.Expect(got.status).To(Equal(c.status))
			g.Expect(got.text).To(ContainSubstring(c.code))
		})
	}
}

func TestANamespaceIsMadeOnce(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	foreign := w.AddKey(w.Owner(other))
	put := func(name string, headers ...string) int {
		return w.as(w.owner, "PUT", spacesURL+"/"+name, "", headers...).status
	}
	g.Expect(put(sensors, "X-Auth-Resource-Group: nothing")).To(Equal(http.StatusBadRequest))
	g.Expect(put(sensors, "X-Auth-Resource-Group: "+w.ResourceGroup(plant))).To(Equal(http.StatusCreated))
	g.Expect(put(sensors)).To(Equal(http.StatusOK))
	theirs := w.as(foreign, "PUT", spacesURL+"/"+sensors, "", "Account: "+other)
	g.Expect(theirs.status).To(Equal(http.StatusConflict), "names are unique across accounts")
	elsewhere := w.as(foreign, "PUT", deURL+"/api/v1/namespaces/"+sensors, "", "Account: "+other)
	g.Expect(elsewhere.status).To(Equal(http.StatusCreated), "in one region")
	for _, bad := range []string{"abc", strings.Repeat("a", 31), "Upper", "-leading", "trailing-", "with.dot"} {
		g.Expect(put(bad)).To(Equal(http.StatusBadRequest), bad)
	}

	var details []map[string]string
	w.into(w.as(w.owner, "GET", spacesURL+"/details", ""), &details)
	g.Expect(details).To(ConsistOf(And(HaveKeyWithValue("name", sensors), HaveKeyWithValue("resource_group", w.ResourceGroup(plant)))))
	g.Expect(w.as(w.owner, "PATCH", spacesURL+"/"+sensors, "", "X-Auth-Resource-Group: "+w.ResourceGroup(plant)).status).To(Equal(http.StatusBadRequest))

	g.Expect(w.as(foreign, "DELETE", spacesURL+"/"+sensors, "", "Account: "+other).status).To(Equal(http.StatusForbidden))
	g.Expect(w.as(w.owner, "DELETE", spacesURL+"/"+sensors, "").status).To(Equal(http.StatusNoContent))
	g.Expect(w.as(w.owner, "DELETE", spacesURL+"/"+sensors, "").status).To(Equal(http.StatusNotFound))
	g.Expect(put(sensors)).To(Equal(http.StatusConflict), "shortly after")
	w.advance(DefaultDelays.Tombstone)
	g.Expect(put(sensors)).To(Equal(http.StatusCreated))
	for i := range 99 {
		w.AddNamespace(plant, "us-south", fmt.Sprintf("more-%d", i))
	}
	g.Expect(put("one-more")).To(Equal(http.StatusConflict))
	g.Expect(w.Namespaces(plant, "us-south")).To(HaveLen(100))
	g.Expect(w.Namespaces(plant, "eu-de")).To(BeEmpty())
}

func TestANamespaceNeedsItsResourceGroup(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "manager", rightsOf(OnNamespace(plant, "us-south", ""), "Manager"))
	groups := iamURL[:len("https://")] + ResourceControllerHost + "/v2/resource_groups?default=true&account_id=" + plant
	g.Expect(w.body(w.as(who, "GET", groups, ""))["resources"]).To(BeEmpty())
	g.Expect(w.as(who, "PUT", spacesURL+"/"+sensors, "").status).To(Equal(http.StatusForbidden))
	w.Grant(who.IAMID, rightsOf(ofGroup(plant, w.ResourceGroup(plant)), "Viewer"))
	g.Expect(w.body(w.as(who, "GET", groups, ""))["resources"]).To(ConsistOf(HaveKeyWithValue("id", w.ResourceGroup(plant))))
	g.Expect(w.as(who, "PUT", spacesURL+"/"+sensors, "").status).To(Equal(http.StatusCreated))
}

func TestAQuotaIsTold(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	quota := func() map[string]any { return w.body(w.as(w.owner, "GET", usURL+"/api/v1/quotas", "")) }
	g.Expect(quota()["limit"]).To(Equal(map[string]any{"storage_bytes": -1.0, "traffic_bytes": -1.0}))
	w.SetQuota(plant, "us-south", Quota{StorageLimit: 10, StorageUsed: 4, TrafficLimit: 20, TrafficUsed: 5})
	g.Expect(quota()["limit"]).To(Equal(map[string]any{"storage_bytes": 10.0, "traffic_bytes": 20.0}))
	g.Expect(quota()["usage"]).To(Equal(map[string]any{"storage_bytes": 4.0, "traffic_bytes": 5.0}))
}

// TestAnEmptyRegistryDecidesRights goes without the program of a registry.
func TestAnEmptyRegistryDecidesRights(t *testing.T) {
	w := newWorld(t, Options{BadLogin: http.StatusUnauthorized})
	g := NewWithT(t)
	w.AddNamespace(plant, "us-south", sensors)
	puller := w.AddServiceID(plant, "puller", rightsOf(OnNamespace(plant, "us-south", sensors), "Reader"))
	pusher := w.AddServiceID(plant, "pusher", rightsOf(OnNamespace(plant, "us-south", sensors), "Reader", "Writer"))
	bearer := func(at string, who Key) string {
		got := w.send("GET", at+"/oauth/token?scope=repository:sensors/camera:pull,push", "", basic("iamapikey", who.Value()))
		return "Authorization: Bearer " + w.body(got)["token"].(string)
	}
	const tags, upload = "/v2/sensors/camera/tags/list", "/v2/sensors/camera/blobs/uploads/0"
	realm := `Bearer realm="https://us.icr.io/oauth/token",service="registry"`

	nobody := w.send("GET", usURL+"/v2/", "")
	g.Expect(nobody.status).To(Equal(http.StatusUnauthorized))
	g.Expect(nobody.header.Get("WWW-Authenticate")).To(Equal(realm))
	nobody = w.send("GET", usURL+tags, "")
	g.Expect(nobody.header.Get("WWW-Authenticate")).To(Equal(realm + `,scope="repository:sensors/camera:pull"`))
	anonymous := w.body(w.send("GET", usURL+"/oauth/token?scope=repository:sensors/camera:pull", ""))["token"].(string)
	g.Expect(w.send("GET", usURL+tags, "", "Authorization: Bearer "+anonymous).status).To(Equal(http.StatusUnauthorized))

	g.Expect(w.send("GET", usURL+tags, "", bearer(usURL, puller)).status).To(Equal(http.StatusNotFound), "it is empty")
	g.Expect(w.send("GET", "https://private.us.icr.io"+tags, "", bearer(usURL, puller)).status).To(Equal(http.StatusNotFound), "the same registry")
	g.Expect(w.send("GET", deURL+tags, "", bearer(usURL, puller)).status).To(Equal(http.StatusUnauthorized), "a token of another region")
	g.Expect(w.send("GET", deURL+tags, "", bearer(deURL, puller)).status).To(Equal(http.StatusForbidden), "another region")
	g.Expect(w.send("PATCH", usURL+upload, "", bearer(usURL, pusher)).status).To(Equal(http.StatusNotFound), "no such upload")
	refused := w.send("PATCH", usURL+upload, "", bearer(usURL, puller))
	g.Expect(refused.status).To(Equal(http.StatusForbidden))
	g.Expect(refused.text).To(And(ContainSubstring(`"code":"DENIED"`), ContainSubstring(`"Action":"push"`)))
	g.Expect(refused.text).NotTo(ContainSubstring(`"Action":"pull"`), "the detail is what is missing")
	g.Expect(refused.header.Get("WWW-Authenticate")).To(Equal(realm + `,scope="repository:sensors/camera:pull,push",error="insufficient_scope"`))
	g.Expect(w.send("POST", usURL+"/v2/sensors/camera/blobs/uploads/?mount=sha256:0&from=others/camera", "", bearer(usURL, pusher)).status).
		To(Equal(http.StatusForbidden), "a mount from where one may not pull")
	g.Expect(w.send("GET", spacesURL, "", bearer(usURL, pusher), "Account: "+plant).status).To(Equal(http.StatusUnauthorized), "a registry's token")
	g.Expect(w.send("GET", usURL+tags, "", "Authorization: Bearer "+w.token(pusher)).status).To(Equal(http.StatusUnauthorized), "IAM's token")
	g.Expect(w.send("GET", usURL+"/v2/_catalog", "", bearer(usURL, pusher)).status).To(Equal(http.StatusForbidden))

	for user, password := range map[string]string{"iamapikey": chosen, "iambearer": "x", "somebody": puller.Value()} {
		g.Expect(w.send("GET", usURL+"/oauth/token", "", basic(user, password)).status).To(Equal(http.StatusUnauthorized), user)
	}
	g.Expect(w.send("GET", usURL+"/oauth/token", "", basic("iambearer", w.token(puller))).status).To(Equal(http.StatusOK))

	w.SetQuota(plant, "us-south", Quota{StorageLimit: 1, StorageUsed: 1, TrafficLimit: -1})
	g.Expect(w.send("PATCH", usURL+upload, "", bearer(usURL, pusher)).text).To(ContainSubstring("storage quota"))
	w.options.UnquotedChallenge = true
	g.Expect(w.send("GET", usURL+tags, "").header.Get("WWW-Authenticate")).
		To(Equal("Bearer realm=https://us.icr.io/oauth/token, service=registry, scope=repository:sensors/camera:pull"))
}
