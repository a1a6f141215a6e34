// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// withdraw runs a pass that takes the entries out.
func (w *world) withdraw() (Report, error) {
	return w.syncer.Withdraw(w.t.Context(), w.client, wanted(newer), issuer("factory"))
}

func TestWithdrawingTakesOutWhatIsOursAndTellsNodes(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id, empty := w.publish("camera"), w.publish("empty")
	w.AddLogin(id, host, user, another)
	w.settled(newer)
	w.AddLogin(id, host, "edge-publisher", pushing)
	w.Clock.Advance(exchangetest.PollInterval)
	foreign := w.others()
	n := w.node(newer)
	g.Expect(n.pull(id).OK).To(BeTrue())
	g.Expect(w.client.Remove(t.Context(), empty, w.Logins(empty)[0].ID)).To(Succeed())
	g.Expect(w.client.Touch(t.Context(), Service{ID: empty}, nil)).To(Succeed())

	w.Forget()
	r, err := w.withdraw()
	g.Expect(err).NotTo(HaveOccurred())
	synced, total := r.Count()
	g.Expect([]int{synced, total}).To(Equal([]int{2, 2}))
	g.Expect(w.count()).To(Equal(map[string]int{"GET": 3, "DELETE": 2, "PATCH": 1}), "what has nothing of ours is left alone")
	g.Expect(w.logins(id)).To(Equal([]string{"elsewhere.pull.1"}))
	g.Expect(w.others()).To(Equal(foreign))
	n.poll()
	n.valid = []string{another}
	g.Expect(n.pull(id)).To(Equal(exchangetest.Pulled{OK: true, ID: 1}), "the node has dropped the login")

	w.Forget()
	_, err = w.withdraw()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.count()).To(Equal(map[string]int{"GET": 3}), "once it is done it writes nothing")
}

func TestAMarkerThatSomebodyWroteCostsOneTouch(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.Publish(alice, exchangetest.Definition{URL: "camera", Image: image, ImageStore: `{"edgeRegistry":{"uid":"0a1b"}}`})
	w.Publish(alice, exchangetest.Definition{URL: "radio", Image: image, ImageStore: `{"edgeRegistry":{"uid":"another"}}`})
	w.Publish(alice, exchangetest.Definition{URL: "screen", Image: image, ImageStore: `{"edgeRegistry":7}`})
	for _, touches := range []int{1, 0} {
		w.Forget()
		_, err := w.withdraw()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(w.count()["PATCH"]).To(Equal(touches))
	}
}

func TestWhatCannotBeTakenOutIsNamed(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	id, other := w.publish("camera"), w.publish("radio")
	w.settled(newer)
	entry := strconv.Itoa(w.Logins(id)[0].ID)
	w.Inject(&standin.Fault{Always: true, Match: standin.ToEnd("DELETE", "/"+entry), Status: 403, Body: `{"code":"access-denied","msg":""}`})
	r, err := w.withdraw()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(outcomeOf(r, id).State).To(Equal(Failed))
	g.Expect(outcomeOf(r, id).Err).To(MatchError(ContainSubstring("remove login " + entry + " of " + id)))
	g.Expect(outcomeOf(r, other).State).To(Equal(Synced))

	w.Heal()
	w.Inject(&standin.Fault{Always: true, Status: 503})
	_, err = w.withdraw()
	g.Expect(IsKind(err, Unavailable)).To(BeTrue())
}

func TestWhatIsSaidToBeGoneIsLookedFor(t *testing.T) {
	for name, there := range map[string]bool{"it is there": true, "somebody took it out": false} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, exchangetest.Options{})
			id := w.publish("camera")
			w.settled(newer)
			entry := w.Logins(id)[0].ID
			w.Inject(&standin.Fault{
				Match: standin.ToEnd("DELETE", "/"+strconv.Itoa(entry)), Commit: !there, Status: 404, Body: `{"code":"not-found","msg":""}`,
			})
			r, err := w.withdraw()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(outcomeOf(r, id).State).To(Equal(map[bool]State{true: Failed, false: Synced}[there]))
			_, err = w.withdraw()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(w.logins(id)).To(BeEmpty())
		})
	}
}

// One that lists many services and takes its time for each holds a deletion up no longer than one that is away: a pass ends, and
// the deletion counts the time.
func TestAnExchangeThatAnswersSlowlyIsGivenUp(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, exchangetest.Options{})
	w.AddLogin(w.publish("camera"), host, user, older)
	var ends time.Time
	_, err := w.syncer.Withdraw(t.Context(), w.client, wanted(newer), func(ctx context.Context, _ string, _ credential.Token) (Owner, error) {
		ends, _ = ctx.Deadline()
		return Puller, nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ends).NotTo(BeZero())
	g.Expect(ends).NotTo(BeTemporally(">", time.Now().Add(slow*requestTimeout)))
}
