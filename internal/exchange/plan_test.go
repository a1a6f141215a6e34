// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

func entry(id int, registry, user, token string) Entry {
	return Entry{ID: id, Registry: registry, User: user, Token: credential.NewToken(token)}
}

func TestEveryEntryHasAClass(t *testing.T) {
	for _, tt := range []struct {
		name  string
		host  string
		entry Entry
		want  Class
	}{
		{"what is wanted", host, entry(1, host, user, newer), Current},
		{"an earlier token", host, entry(1, host, user, older), Old},
		{"the token under the previous name", host, entry(1, host, "edge-puller", newer), Old},
		{"a token that was ended", host, entry(1, host, user, dead), OursDead},
		{"the documented publish stored the pushing token", host, entry(1, host, "edge-publisher.edge", pushing), OursPublisher},
		{"a clone of the cluster", host, entry(1, host, user, cloned), OfContested},
		{"another's, with the same host and user", host, entry(1, host, user, another), Foreign},
		{"what is wanted, at another host", host, entry(1, "other.example.com", user, newer), Foreign},
		{"a host of which ours is a part", host, entry(1, "my."+host, user, newer), Foreign},
		{"a path behind the host", host, entry(1, host+"/edge", user, newer), Misfiled},
		{"an address", host, entry(1, "https://"+host, user, newer), Misfiled},
		{"other letters", host, entry(1, "Registry.Example.com", user, newer), Misfiled},
		{"the port of https", host, entry(1, host+":443", user, newer), Misfiled},
		{"what hzn makes of a port", host + ":5000", entry(1, host, "5000", user+":"+newer), Misfiled},
		{"the host with another port", host + ":5000", entry(1, host, "5001", newer), Foreign},
		{"the host without its port", host + ":5000", entry(1, host, user, older), Foreign},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			w := wanted(newer)
			w.Host = tt.host
			found, err := Classify(t.Context(), w, []Entry{tt.entry}, issuer("factory"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found[0].Class).To(Equal(tt.want))
		})
	}
}

func TestTheIssuerIsAskedAboutItsOwnHostAlone(t *testing.T) {
	g := NewWithT(t)
	asked := 0
	whose := func(context.Context, string, credential.Token) (Owner, error) {
		asked++
		return Nobody, nil
	}
	_, err := Classify(t.Context(), wanted(newer), []Entry{
		entry(1, "other.example.com", user, another), entry(2, host+"/edge", user, another), entry(3, host, user, newer),
		entry(4, host, user, another),
	}, whose)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(asked).To(Equal(1), "a login was sent to somebody that it is not for")
}

func TestWithoutAnAnswerOfTheIssuerNothingIsKnown(t *testing.T) {
	g := NewWithT(t)
	away := errors.New("it is away")
	_, err := Classify(t.Context(), wanted(newer), []Entry{entry(7, host, user, older)}, func(context.Context, string, credential.Token) (Owner, error) {
		return Puller, away
	})
	g.Expect(err).To(MatchError(away))
	g.Expect(err).To(MatchError(ContainSubstring("login 7")))
}

func TestThePlanIsTheLeastThatMakesOneEntry(t *testing.T) {
	mine, others := Service{ID: "plant/a", Owner: alice}, Service{ID: "plant/b", Owner: org + "/bob"}
	public := Service{ID: "plant/c", Owner: org + "/bob", Public: true}
	of := func(id int, class Class) Found { return Found{entry(id, host, user, "t"), class} }
	away := func(id int) Found { return Found{entry(id, "other.example.com", user, "t"), Foreign} }
	for _, tt := range []struct {
		name         string
		service      Service
		organization bool
		found        []Found
		want         []Write
		skip         Skip
		ours         int
		inWay        []int
	}{
		{name: "nothing to do", service: mine, found: []Found{of(3, Current)}, ours: 3},
		{name: "none yet", service: mine, want: []Write{{Verb: Add}}},
		{name: "none of ours", service: mine, found: []Found{of(1, Foreign), away(2), {entry(3, host+"/x", user, "t"), Misfiled}},
			want: []Write{{Verb: Add}}, inWay: []int{1}},
		{name: "renewed in place", service: mine, found: []Found{of(3, Old)}, want: []Write{{Update, 3}}, ours: 3},
		{name: "the lowest stays, whichever it is", service: mine, found: []Found{of(2, OursDead), of(5, Current), of(7, Old)},
			want: []Write{{Update, 2}, {Remove, 5}, {Remove, 7}}, ours: 2},
		{name: "the lowest is the current one", service: mine, found: []Found{of(2, Current), of(5, Old)}, want: []Write{{Remove, 5}}, ours: 2},
		{name: "the pushing one is replaced", service: mine, found: []Found{of(2, OursPublisher)}, want: []Write{{Update, 2}}, ours: 2},
		{name: "a pushing one behind ours goes", service: mine, found: []Found{of(2, Current), of(3, OursPublisher)}, want: []Write{{Remove, 3}}, ours: 2},
		{name: "a contested one is in the way and stays", service: mine, found: []Found{of(1, OfContested), of(2, Current), of(3, Foreign)}, ours: 2, inWay: []int{1}},
		{name: "another's service", service: others, skip: OthersService},
		{name: "another's service that has ours", service: others, found: []Found{of(3, Old)}, want: []Write{{Update, 3}}, ours: 3},
		{name: "another's service, for the organisation", service: others, organization: true, want: []Write{{Verb: Add}}},
		{name: "another's public service", service: public, organization: true, skip: OthersService},
		{name: "another's public service that has ours", service: public, organization: true, found: []Found{of(3, Old)}, want: []Write{{Update, 3}}, ours: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewWithT(t)
			w := wanted(newer)
			w.Organization = tt.organization
			p := Decide(w, alice, tt.service, tt.found)
			g.Expect(p.Skip).To(Equal(tt.skip))
			g.Expect(p.Writes).To(Equal(tt.want))
			g.Expect(p.InWay).To(Equal(tt.inWay))
			ours := 0
			if p.Ours != nil {
				ours = p.Ours.ID
			}
			g.Expect(ours).To(Equal(tt.ours))
		})
	}
}

func TestATouchIsOwedByTheTimesOfTheExchange(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for _, tt := range []struct {
		name           string
		service, entry time.Time
		class          Class
		wrote, want    bool
	}{
		{"the entry is newer", at(1), at(2), Current, false, true},
		{"both are as old", at(1), at(1), Current, false, true},
		{"the service is newer", at(2), at(1), Current, true, false},
		{"an entry that is not current is not announced", at(1), at(2), Old, true, false},
		{"a time that cannot be read, and nothing was written", time.Time{}, at(2), Current, false, false},
		{"a time that cannot be read, and it was written", at(1), time.Time{}, Current, true, true},
	} {
		ours := &Found{Entry{Updated: tt.entry}, tt.class}
		NewWithT(t).Expect(owesTouch(Service{Updated: tt.service}, ours, tt.wrote)).To(Equal(tt.want), tt.name)
	}
	NewWithT(t).Expect(owesTouch(Service{Updated: at(1)}, nil, true)).To(BeFalse())
}
