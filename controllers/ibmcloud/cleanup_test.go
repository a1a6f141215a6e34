// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/controllers/pass"
	"github.com/edge-registry/edge-registry-operator/internal/ibmcloud"
	cloudtest "github.com/edge-registry/edge-registry-operator/test/ibmcloud"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// bare is what there is of the account beside what was made for the EdgeRegistry.
func (w *world) bare() []string {
	var all []string
	for _, one := range w.ServiceIDs(plant) {
		all = append(all, one.ID)
	}
	for _, one := range w.Policies(plant) {
		all = append(all, one.ID)
	}
	for _, keys := range w.Keys() {
		for _, key := range keys {
			all = append(all, key.ID)
		}
	}
	return all
}

func TestADeletionThatIsCutOffAnywhereEndsInTheSame(t *testing.T) {
	whole := newWorld(t, cloudtest.Delays{})
	NewWithT(t).Expect(whole.pass(t, false)).To(Succeed())
	whole.Forget()
	NewWithT(t).Expect(whole.begin(t).deleteLogins(t.Context())).To(Succeed())
	calls := whole.Count(cloudtest.Writes)
	NewWithT(t).Expect(calls).To(BeNumerically(">", 6))
	for at := range calls {
		for _, commit := range []bool{false, true} {
			t.Run(fmt.Sprintf("at write %d, committed %v", at, commit), func(t *testing.T) {
				g := NewWithT(t)
				w := newWorld(t, cloudtest.Delays{})
				before := w.bare()
				g.Expect(w.pass(t, false)).To(Succeed())
				for role := range w.published {
					g.Expect(w.LockKey(w.published[role].ID, true)).To(BeTrue())
				}
				w.Forget()
				w.Inject(&standin.Fault{Match: cloudtest.Writes, Skip: at, Commit: commit, Status: http.StatusInternalServerError})
				g.Expect(w.begin(t).deleteLogins(t.Context())).NotTo(Succeed())
				w.start(t)
				g.Expect(w.begin(t).deleteLogins(t.Context())).To(Succeed())
				g.Expect(w.bare()).To(ConsistOf(before), "all of ours, and nothing of others")
				g.Expect(w.Namespaces(plant, "us-south")).To(Equal([]string{"plant-images"}))
			})
		}
	}
}

// An operator that died as it made a key did not come to know its id.
func TestADeletionFindsAKeyThatWasOnlyWrittenAhead(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	before := w.bare()
	w.Inject(&standin.Fault{Match: standin.To(http.MethodPost, "/v1/apikeys"), Commit: true, Status: http.StatusInternalServerError})
	w.Inject(&standin.Fault{Match: standin.To(http.MethodGet, "/v1/apikeys/details"), Always: true, Status: http.StatusInternalServerError})
	g.Expect(w.pass(t, false)).NotTo(Succeed())
	g.Expect(w.oursOf("publisher")).To(HaveLen(1))
	w.Heal()
	w.start(t)
	g.Expect(w.begin(t).deleteLogins(t.Context())).To(Succeed())
	g.Expect(w.bare()).To(ConsistOf(before))
}

func TestWhatIsLeftIsNamedByItsID(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	left := w.begin(t).leftovers()
	for _, one := range w.ServiceIDs(plant) {
		if strings.Contains(one.Description, string(w.edge.UID)) {
			g.Expect(left).To(ContainSubstring("service ID " + one.ID))
		}
	}
	for _, c := range w.published {
		g.Expect(left).To(ContainSubstring("key " + c.ID))
	}
}

func TestAServiceIDThatIsThereIsUsedOnlyForWhatItMayDo(t *testing.T) {
	on := cloudtest.OnNamespace(plant, "us-south", "plant-images")
	for name, test := range map[string]struct {
		grants  []cloudtest.Grant
		refused bool
	}{
		"what it needs":      {[]cloudtest.Grant{{Roles: []string{"Reader"}, On: on}}, false},
		"nothing that shows": {nil, false},
		"a push":             {[]cloudtest.Grant{{Roles: []string{"Reader", "Writer"}, On: on}}, true},
		"a second policy":    {[]cloudtest.Grant{{Roles: []string{"Reader"}, On: on}, {Roles: []string{"Manager"}, On: on}}, true},
		"every namespace":    {[]cloudtest.Grant{{Roles: []string{"Reader"}, On: cloudtest.OnNamespace(plant, "us-south", "")}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, cloudtest.Delays{})
			given := w.AddServiceID(plant, "pull", test.grants...)
			id := strings.TrimPrefix(given.IAMID, "iam-")
			s := w.begin(t)
			err := s.useGiven(t.Context(), &s.Puller, id)
			g.Expect(pass.AsBlocked(err)).To(HaveField("Reason", edgev1.ReasonCredentialNotGranted), "the supplied Secret does not name it")
			s.serviceIDs = []string{id}
			err = s.useGiven(t.Context(), &s.Puller, id)
			if test.refused {
				g.Expect(pass.AsBlocked(err)).To(HaveField("Reason", edgev1.ReasonRightsExcessive))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Record.Identity(edgev1.TokenPuller)).To(And(HaveField("Given", true), HaveField("Subject", given.IAMID)))
		})
	}
}

func TestAServiceIDWithOurMarkThatWeDidNotMakeIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	s := w.begin(t)
	planted, err := s.client.CreateServiceID(t.Context(), ibmcloud.ServiceID{
		Name: s.nameOf(edgev1.TokenPuller), Description: s.mark(edgev1.TokenPuller), AccountID: plant,
	})
	g.Expect(err).NotTo(HaveOccurred())
	w.converge(t)

	var record pass.Record
	g.Expect(json.Unmarshal(w.record, &record)).To(Succeed())
	g.Expect(record.Identity(edgev1.TokenPuller).ID).NotTo(Or(BeEmpty(), Equal(planted.ID)))
	granted, err := s.client.Policies(t.Context(), plant, planted.IAMID)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(granted).To(BeEmpty(), "it is given no right")
}

func TestARegistryNamespaceIsOursOnlyIfItsCreationSaidSo(t *testing.T) {
	created := func(w *world) bool {
		s := w.begin(t)
		return s.Record.Remote != nil && s.Record.Remote.Place.Created
	}
	t.Run("made", func(t *testing.T) {
		w := newWorld(t, cloudtest.Delays{})
		NewWithT(t).Expect(w.pass(t, false)).To(Succeed())
		NewWithT(t).Expect(created(w)).To(BeTrue())
	})
	t.Run("there", func(t *testing.T) {
		w := newWorld(t, cloudtest.Delays{})
		w.AddNamespace(plant, "us-south", "plant-images")
		NewWithT(t).Expect(w.pass(t, false)).To(Succeed())
		NewWithT(t).Expect(created(w)).To(BeFalse())
	})
	t.Run("made by another meanwhile", func(t *testing.T) {
		w := newWorld(t, cloudtest.Delays{})
		w.Inject(&standin.Fault{
			Match: func(c standin.Call) bool { return c.Method == http.MethodPut }, Pass: true,
			Do: func() { w.AddNamespace(plant, "us-south", "plant-images") },
		})
		NewWithT(t).Expect(w.pass(t, false)).To(Succeed())
		NewWithT(t).Expect(created(w)).To(BeFalse())
	})
	t.Run("another account's", func(t *testing.T) {
		g := NewWithT(t)
		w := newWorld(t, cloudtest.Delays{})
		w.AddAccount("accother", cloudtest.AccountOptions{})
		w.AddNamespace("accother", "us-south", "plant-images")
		g.Expect(pass.AsBlocked(w.pass(t, false))).To(HaveField("Reason", edgev1.ReasonRegistryNamespaceTaken))
		g.Expect(created(w)).To(BeFalse())
	})
}

func TestARegistryNamespaceThatWasRecreatedIsNotTheOneThatWasMade(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	same := func() bool {
		is, err := w.begin(t).isAsMade(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		return is
	}
	g.Expect(same()).To(BeTrue())
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	g.Expect(same()).To(BeTrue())
	g.Expect(w.RemoveNamespace("us-south", "plant-images")).To(Succeed())
	w.AddNamespace(plant, "us-south", "plant-images")
	g.Expect(same()).To(BeFalse())
}

func TestAKeyTooManyIsNotMade(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, cloudtest.Delays{})
	g.Expect(w.pass(t, false)).To(Succeed())
	puller := w.begin(t).Record.Identity(edgev1.TokenPuller).Subject
	for range 19 {
		w.AddKey(puller)
	}
	w.clock.SetTime(w.clock.Now().Add(8 * time.Hour))
	g.Expect(pass.AsBlocked(w.pass(t, true))).To(And(HaveField("Reason", edgev1.ReasonLimitReached), HaveField("Message", ContainSubstring("may have 20"))))
}
