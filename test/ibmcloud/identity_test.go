// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	serviceIDsURL = iamURL + "/v1/serviceids"
	policiesURL   = iamURL + "/v2/policies"
	reader        = serviceRole + "Reader"
	writer        = serviceRole + "Writer"
)

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// policyFor is a policy as IBM's documents have it.
func policyFor(iamID string, on map[string]string, roles ...string) string {
	var granted, where []string
	for _, role := range roles {
		granted = append(granted, fmt.Sprintf(`{"role_id":%q}`, role))
	}
	for key, value := range on {
		where = append(where, fmt.Sprintf(`{"key":%q,"operator":"stringEquals","value":%q}`, key, value))
	}
	return fmt.Sprintf(`{"type":"access","description":"a test","control":{"grant":{"roles":[%s]}},
		"subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":%q}]},"resource":{"attributes":[%s]}}`,
		strings.Join(granted, ","), iamID, strings.Join(where, ","))
}

func TestAServiceIDIsMadeListedAndDeleted(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	made := map[string]string{}
	for _, path := range []string{"", "/"} {
		got := w.as(w.owner, "POST", serviceIDsURL+path, `{"account_id":"`+plant+`","name":"pull","group_id":"x","apikey":{"name":"first"}}`)
		id := w.idOf(got)
		g.Expect(w.body(got)).To(HaveKeyWithValue("iam_id", "iam-"+id))
		g.Expect(w.body(got)["apikey"]).To(HaveKeyWithValue("apikey", HaveLen(44)))
		made[path] = id
	}
	id := made[""]
	g.Expect(w.as(w.owner, "GET", serviceIDsURL+"/"+id, "").status).To(Equal(http.StatusNotFound), "at once")
	w.settle()
	g.Expect(w.as(w.owner, "GET", serviceIDsURL+"/"+id, "").status).To(Equal(http.StatusOK))
	named := func(name string) any {
		return w.body(w.as(w.owner, "GET", serviceIDsURL+"/?account_id="+plant+"&name="+name, ""))["serviceids"]
	}
	g.Expect(named("pull")).To(HaveLen(2), "names are not unique")
	g.Expect(named("push")).To(BeEmpty())

	g.Expect(w.as(w.owner, "POST", policiesURL, policyFor("iam-"+id, OnNamespace(plant, "us-south", sensors), reader)).status).To(Equal(http.StatusCreated))
	g.Expect(w.as(w.owner, "DELETE", serviceIDsURL+"/"+id, "").status).To(Equal(http.StatusConflict), "the first time")
	g.Expect(w.ServiceIDs(plant)).To(HaveLen(2))
	g.Expect(w.as(w.owner, "DELETE", serviceIDsURL+"/"+id, "").status).To(Equal(http.StatusNoContent))
	g.Expect(w.as(w.owner, "DELETE", serviceIDsURL+"/"+id, "").status).To(Equal(http.StatusNotFound))
	g.Expect(w.ServiceIDs(plant)).To(HaveLen(1))
	g.Expect(w.Keys()).NotTo(HaveKey("iam-"+id), "its keys went with it")
	g.Expect(w.Policies(plant)).To(HaveLen(1), "the owner's alone")
}

func TestALockedServiceIDStays(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	id := w.idOf(w.as(w.owner, "POST", serviceIDsURL, `{"account_id":"`+plant+`","name":"pull"}`, "Entity-Lock: true"))
	policy := policyFor("iam-"+id, OnNamespace(plant, "us-south", sensors), reader)
	for range 2 {
		g.Expect(w.as(w.owner, "DELETE", serviceIDsURL+"/"+id, "").status).To(Equal(http.StatusConflict))
	}
	g.Expect(w.as(w.owner, "POST", policiesURL, policy).status).To(Equal(http.StatusBadRequest))
	g.Expect(w.as(w.owner, "DELETE", serviceIDsURL+"/"+id+"/lock", "").status).To(Equal(http.StatusNoContent))
	g.Expect(w.as(w.owner, "POST", policiesURL, policy).status).To(Equal(http.StatusCreated))
	g.Expect(w.as(w.owner, "PUT", serviceIDsURL+"/"+id, `{"name":"next"}`).status).To(Equal(http.StatusBadRequest), "without If-Match")
	g.Expect(w.as(w.owner, "PUT", serviceIDsURL+"/"+id, `{"name":"next"}`, "If-Match: *").status).To(Equal(http.StatusOK))
}

func TestAServiceIDIsForWhoMayHaveOne(t *testing.T) {
	w := newWorld(t, Options{})
	w.AddAccount("acc-strict", AccountOptions{RestrictServiceIDs: true, ServiceIDs: 2})
	ask := func(who Key, account string) int {
		return w.as(who, "POST", serviceIDsURL, `{"account_id":"`+account+`","name":"pull"}`).status
	}
	creator := Grant{Roles: []string{"Service ID creator"}, On: map[string]string{serviceAttribute: Identity}}
	g := NewWithT(t)
	member := w.AddUser(plant, "member")
	g.Expect(ask(member, plant)).To(Equal(http.StatusCreated), "every member")
	g.Expect(ask(member, other)).To(Equal(http.StatusForbidden), "of another account")
	g.Expect(ask(w.AddUser("acc-strict", "plain"), "acc-strict")).To(Equal(http.StatusForbidden), "without the role")
	strict := w.AddUser("acc-strict", "creator", creator)
	g.Expect(ask(strict, "acc-strict")).To(Equal(http.StatusCreated))
	g.Expect(ask(strict, "acc-strict")).To(Equal(http.StatusCreated))
	g.Expect(ask(strict, "acc-strict")).To(Equal(http.StatusForbidden), "the limit")
}

func TestWhatACreatorMayDo(t *testing.T) {
	for _, without := range []bool{false, true} {
		w := newWorld(t, Options{NoCreatorRights: without})
		member := w.AddUser(plant, "member")
		id := w.idOf(w.as(member, "POST", serviceIDsURL, `{"account_id":"`+plant+`","name":"pull"}`))
		expected := map[bool]int{false: http.StatusCreated, true: http.StatusForbidden}[without]
		got := w.as(member, "POST", keysURL, `{"name":"k","iam_id":"iam-`+id+`"}`)
		NewWithT(t).Expect(got.status).To(Equal(expected))
	}
}

func TestAPolicyIsCheckedAndNotMadeTwice(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "pull")
	on := OnNamespace(plant, "us-south", sensors)
	first := w.as(w.owner, "POST", policiesURL, policyFor(who.IAMID, on, reader))
	id := w.idOf(first)
	g.Expect(first.header.Get("ETag")).To(HavePrefix("1-"))

	again := w.as(w.owner, "POST", policiesURL, policyFor(who.IAMID, on, reader))
	g.Expect(again.status).To(Equal(http.StatusConflict))
	var conflict struct {
		Errors []struct {
			Code    string
			Details struct {
				Conflict struct{ Policy struct{ ID string } } `json:"conflicts_with"`
			}
		}
	}
	w.into(again, &conflict)
	g.Expect(conflict.Errors[0].Code).To(Equal("policy_conflict_error"))
	g.Expect(conflict.Errors[0].Details.Conflict.Policy.ID).To(Equal(id), "an object that tells of the other")
	g.Expect(w.as(w.owner, "POST", policiesURL, policyFor(who.IAMID, on, reader, writer)).status).To(Equal(http.StatusCreated), "other roles")

	for name, body := range map[string]string{
		"an unknown role":   policyFor(who.IAMID, on, "crn:v1:bluemix:public:container-registry::::serviceRole:Reader"),
		"another's role":    policyFor(who.IAMID, on, identityRole+"ServiceIdCreator"),
		"no role":           policyFor(who.IAMID, on),
		"nobody":            policyFor("iam-ServiceId-nobody", on, reader),
		"no account":        policyFor(who.IAMID, map[string]string{serviceAttribute: Registry}, reader),
		"no JSON":           `{`,
		"a type of another": strings.Replace(policyFor(who.IAMID, on, reader), `"access"`, `"authorization"`, 1),
		"another operator":  strings.ReplaceAll(policyFor(who.IAMID, on, reader), "stringEquals", "stringExists"),
	} {
		got := w.as(w.owner, "POST", policiesURL, body)
		g.Expect(got.status).To(Equal(http.StatusBadRequest), name)
		g.Expect(got.text).To(ContainSubstring("invalid_body"), name)
	}
}

func TestPoliciesAreSeenByWhoMayReadThem(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "pull")
	id := w.idOf(w.as(w.owner, "POST", policiesURL, policyFor(who.IAMID, OnNamespace(plant, "us-south", sensors), reader)))
	listed := func(by Key) any {
		return w.body(w.as(by, "GET", policiesURL+"?account_id="+plant+"&iam_id="+who.IAMID+"&service_name="+Registry+"&state=active", ""))["policies"]
	}
	g.Expect(listed(w.owner)).To(BeEmpty(), "at once")
	g.Expect(w.as(w.owner, "GET", policiesURL+"/"+id, "").status).To(Equal(http.StatusNotFound), "at once")
	w.settle()
	g.Expect(listed(w.owner)).To(ConsistOf(HaveKeyWithValue("id", id)))
	g.Expect(listed(who)).To(BeEmpty(), "without rights there is nothing to see")
	g.Expect(w.as(who, "GET", policiesURL+"/"+id, "").status).To(Equal(http.StatusForbidden))
	g.Expect(w.as(w.owner, "GET", policiesURL, "").status).To(Equal(http.StatusBadRequest), "without an account")

	var page struct {
		Next     struct{ Start string }
		Policies []any
	}
	w.into(w.as(w.owner, "GET", policiesURL+"?limit=1&account_id="+plant, ""), &page)
	g.Expect(page.Policies).To(HaveLen(1))
	w.into(w.as(w.owner, "GET", policiesURL+"?limit=1&account_id="+plant+"&start="+page.Next.Start, ""), &page)
	g.Expect(page.Policies).To(ConsistOf(HaveKeyWithValue("id", id)))

	tag := w.as(w.owner, "GET", policiesURL+"/"+id, "").header.Get("ETag")
	next := policyFor(who.IAMID, OnNamespace(plant, "us-south", sensors), writer)
	g.Expect(w.as(w.owner, "PUT", policiesURL+"/"+id, next, "If-Match: 1-x").status).To(Equal(http.StatusConflict))
	g.Expect(w.as(w.owner, "PUT", policiesURL+"/"+id, next, "If-Match: "+tag).status).To(Equal(http.StatusOK))
	g.Expect(w.Policies(plant)[1].Roles).To(ConsistOf("Writer"))
	g.Expect(w.as(who, "DELETE", policiesURL+"/"+id, "").status).To(Equal(http.StatusForbidden))
	g.Expect(w.as(w.owner, "DELETE", policiesURL+"/"+id, "").status).To(Equal(http.StatusNoContent))
	g.Expect(w.as(w.owner, "DELETE", policiesURL+"/"+id, "").status).To(Equal(http.StatusNotFound))
}

func TestRolesAreNamed(t *testing.T) {
	w := newWorld(t, Options{})
	roles := w.body(w.as(w.owner, "GET", iamURL+"/v2/roles?service_name="+Registry+"&policy_type=access&account_id="+plant, ""))
	g := NewWithT(t)
	g.Expect(roles["service_roles"]).To(ConsistOf(
		HaveKeyWithValue("display_name", "Reader"), HaveKeyWithValue("display_name", "Writer"), HaveKeyWithValue("display_name", "Manager")))
	g.Expect(roles["system_roles"]).To(ContainElement(HaveKeyWithValue("crn", "crn:v1:bluemix:public:iam::::role:Administrator")))
}

// TestLevelsOfRights holds the three levels of an operator's rights to what each can do.
func TestLevelsOfRights(t *testing.T) {
	for name, c := range map[string]struct {
		grants                                   func(w *world, existing Key) []Grant
		mint, others, create, grant, wide, space int
	}{
		"mint keys": {
			func(_ *world, existing Key) []Grant {
				return MayMintKeys(plant, strings.TrimPrefix(existing.IAMID, "iam-"))
			},
			http.StatusCreated, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden,
		},
		"grant": {
			func(*world, Key) []Grant { return MayGrant(plant, "us-south", sensors) },
			http.StatusCreated, http.StatusCreated, http.StatusCreated, http.StatusCreated, http.StatusForbidden, http.StatusForbidden,
		},
		"create namespaces": {
			func(w *world, _ Key) []Grant { return w.MayCreateNamespaces(plant, "us-south") },
			http.StatusCreated, http.StatusCreated, http.StatusCreated, http.StatusCreated, http.StatusCreated, http.StatusCreated,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			g := NewWithT(t)
			w.accounts[plant].restricted = true
			existing, another := w.AddServiceID(plant, "existing"), w.AddServiceID(plant, "another")
			by := w.AddServiceID(plant, "bootstrap", c.grants(w, existing)...)
			g.Expect(w.as(by, "POST", keysURL, `{"name":"k","iam_id":"`+existing.IAMID+`"}`).status).To(Equal(c.mint), "mint")
			g.Expect(w.as(by, "POST", keysURL, `{"name":"k","iam_id":"`+another.IAMID+`"}`).status).To(Equal(c.others), "mint others'")
			g.Expect(w.as(by, "POST", serviceIDsURL, `{"name":"s","account_id":"`+plant+`"}`).status).To(Equal(c.create), "create a service ID")
			on := OnNamespace(plant, "us-south", sensors)
			g.Expect(w.as(by, "POST", policiesURL, policyFor(existing.IAMID, on, reader)).status).To(Equal(c.grant), "grant")
			on = OnNamespace(plant, "us-south", "")
			g.Expect(w.as(by, "POST", policiesURL, policyFor(existing.IAMID, on, reader)).status).To(Equal(c.wide), "grant on all")
			g.Expect(w.as(by, "PUT", usURL+"/api/v1/namespaces/sensors2", "").status).To(Equal(c.space), "create a namespace")
		})
	}
}

func TestAnAdministratorOfANamespaceMayBeRefused(t *testing.T) {
	w := newWorld(t, Options{WholeServiceAlone: true})
	by := w.AddServiceID(plant, "bootstrap", MayGrant(plant, "us-south", sensors)...)
	got := w.as(by, "POST", policiesURL, policyFor(by.IAMID, OnNamespace(plant, "us-south", sensors), reader))
	NewWithT(t).Expect(got.status).To(Equal(http.StatusForbidden))
}
