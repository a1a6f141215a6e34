// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package standin

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// notes is a stand-in that keeps what is put into it, and answers each call with what it was sent.
type notes struct {
	*Journal
	url string

	mu   sync.Mutex
	kept []string
}

func newNotes(t *testing.T) *notes {
	t.Helper()
	n := &notes{Journal: NewJournal(func(r *http.Request) Call {
		call := Plain(r)
		call.Query = r.URL.RawQuery
		return call
	})}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Serve(w, r, http.HandlerFunc(n.keep))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	n.url = server.URL
	return n
}

func (n *notes) keep(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Method == http.MethodPut {
		n.kept = append(n.kept, string(body))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(body)
}

// Kept are the bodies that were put.
func (n *notes) Kept() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.kept...)
}

// ask sends a call, and returns its answer with the body; without an answer it is 0, and why.
func (n *notes) ask(ctx context.Context, t *testing.T, method, path, body string) (status int, header http.Header, said string) {
	t.Helper()
	g := NewWithT(t)
	request, err := http.NewRequestWithContext(ctx, method, n.url+path, strings.NewReader(body))
	g.Expect(err).NotTo(HaveOccurred())
	// What a client may send again by itself would be two calls.
	request.GetBody = nil
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err.Error()
	}
	content, err := io.ReadAll(answer.Body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(answer.Body.Close()).To(Succeed())
	return answer.StatusCode, answer.Header, string(content)
}

func TestAFaultMeetsTheCallsThatItIsFor(t *testing.T) {
	put := To(http.MethodPut, "/notes/")
	served := []int{202, 202, 202}
	for name, test := range map[string]struct {
		fault *Fault
		// Three calls are made. statuses are those of their answers, kept is how many took effect, and met how many met it.
		statuses  []int
		kept, met int
		// said and header are of the first answer.
		said   string
		header http.Header
	}{
		"the connection breaks":  {&Fault{Match: put}, []int{0, 202, 202}, 2, 1, "", nil},
		"any call":               {&Fault{}, []int{0, 202, 202}, 2, 1, "", nil},
		"a lost reply":           {LostReply(put), []int{0, 202, 202}, 3, 1, "", nil},
		"an error before":        {&Fault{Match: put, Status: 500, Body: "no"}, []int{500, 202, 202}, 2, 1, "no", nil},
		"an error after":         {&Fault{Match: put, Status: 500, Body: "no", Commit: true}, []int{500, 202, 202}, 3, 1, "no", nil},
		"always":                 {&Fault{Match: put, Status: 503, Always: true}, []int{503, 503, 503}, 0, 3, "", nil},
		"the second":             {&Fault{Match: put, Status: 503, Skip: 1}, []int{202, 503, 202}, 2, 1, "0", nil},
		"from the second on":     {&Fault{Match: put, Status: 503, Skip: 1, Always: true}, []int{202, 503, 503}, 1, 2, "0", nil},
		"somebody else before":   {&Fault{Match: put, Pass: true}, served, 3, 1, "0", nil},
		"one more field":         {&Fault{Match: put, Change: func(body []byte) []byte { return append(body, '!') }}, served, 3, 1, "0!", nil},
		"another method":         {&Fault{Match: To(http.MethodDelete, ""), Status: 503}, served, 3, 0, "0", nil},
		"another path":           {&Fault{Match: To(http.MethodPut, "/other/"), Status: 503}, served, 3, 0, "0", nil},
		"an end of a path":       {&Fault{Match: ToEnd("", "/one"), Status: 503}, []int{503, 202, 202}, 2, 1, "", nil},
		"another end of a path":  {&Fault{Match: ToEnd("", "/notes"), Status: 503}, served, 3, 0, "0", nil},
		"the end, another verb":  {&Fault{Match: ToEnd(http.MethodGet, "/one"), Status: 503}, served, 3, 0, "0", nil},
		"too many requests":      {TooMany(put, time.Minute), []int{429, 202, 202}, 2, 1, "", http.Header{"Retry-After": {"60"}}},
		"a page":                 {HTML(put, 502), []int{502, 202, 202}, 2, 1, HTML(nil, 0).Body, http.Header{"Content-Type": {"text/html"}}},
		"five MiB":               {Huge(put), []int{200, 202, 202}, 2, 1, Huge(nil).Body, http.Header{"Content-Type": {"application/json"}}},
		"the answer as it comes": {&Fault{Match: put, Pass: true}, served, 3, 1, "0", http.Header{"Content-Type": {"application/json"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newNotes(t)
			n.Inject(test.fault)
			for i, want := range test.statuses {
				status, header, said := n.ask(t.Context(), t, http.MethodPut, "/notes/one", string(rune('0'+i)))
				g.Expect(status).To(Equal(want), "call %d", i)
				if i > 0 {
					continue
				}
				g.Expect(said == test.said || status == 0).To(BeTrue(), "the answer has %d bytes", len(said))
				for key := range test.header {
					g.Expect(header.Get(key)).To(Equal(test.header.Get(key)))
				}
			}
			g.Expect(n.Kept()).To(HaveLen(test.kept))
			g.Expect(n.Met(test.fault)).To(Equal(test.met))
			var noted []int
			for _, call := range n.Calls() {
				noted = append(noted, call.Status)
			}
			g.Expect(noted).To(Equal(test.statuses))
		})
	}
}

func TestFaultsMeetInTheirOrderUntilTheyAreHealed(t *testing.T) {
	g := NewWithT(t)
	n := newNotes(t)
	var before []string
	first := &Fault{Status: 501, Do: func() { before = n.Kept() }}
	second := &Fault{Status: 502, Always: true}
	n.Inject(first)
	n.Inject(second)
	put := func() int {
		status, _, _ := n.ask(t.Context(), t, http.MethodPut, "/notes/one", "x")
		return status
	}
	g.Expect([]int{put(), put(), put()}).To(Equal([]int{501, 502, 502}))
	g.Expect([]int{n.Met(first), n.Met(second)}).To(Equal([]int{1, 2}))
	g.Expect(before).To(BeEmpty())
	n.Heal()
	g.Expect(put()).To(Equal(202))
}

func TestACallHangsUntilItsCallerGivesUp(t *testing.T) {
	g := NewWithT(t)
	n := newNotes(t)
	n.Inject(Hang(To(http.MethodPut, "")))
	ctx, giveUp := context.WithCancel(t.Context())
	why := make(chan string, 1)
	go func() {
		_, _, said := n.ask(ctx, t, http.MethodPut, "/notes/one", "x")
		why <- said
	}()
	g.Eventually(n.Calls).Should(HaveLen(1))
	status, _, _ := n.ask(t.Context(), t, http.MethodGet, "/notes", "")
	g.Expect(status).To(Equal(202), "others are served")
	g.Expect(why).NotTo(Receive())
	giveUp()
	g.Eventually(why).Should(Receive(ContainSubstring(context.Canceled.Error())))
	g.Expect(n.Kept()).To(BeEmpty(), "it takes no effect")
	g.Expect(n.Calls()[0].Status).To(BeZero())
}

func TestCallsAreNotedUntilTheyAreForgotten(t *testing.T) {
	g := NewWithT(t)
	n := newNotes(t)
	n.ask(t.Context(), t, http.MethodGet, "/notes?x=1", "")
	n.ask(t.Context(), t, http.MethodPut, "/notes/one", "secret")
	read, written := Call{Method: "GET", Path: "/notes", Query: "x=1", Status: 202}, Call{Method: "PUT", Path: "/notes/one", Status: 202}
	g.Expect(n.Calls()).To(Equal([]Call{read, written}))
	g.Expect(n.Matching(To(http.MethodPut, ""))).To(Equal([]Call{written}))
	g.Expect(n.Count(ToEnd("", ""))).To(Equal(2))
	g.Expect(n.Busiest()).To(Equal(1))
	g.Expect(read.String()).To(Equal("GET /notes"))
	g.Expect(Call{Method: "GET", Host: "icr.io", Path: "/v2/", Status: 200}.String()).To(Equal("icr.io: GET /v2/"))

	// Two that wait for each other run at once.
	var both sync.WaitGroup
	both.Add(2)
	n.Inject(&Fault{Pass: true, Always: true, Do: func() {
		both.Done()
		both.Wait()
	}})
	var ended sync.WaitGroup
	for range 2 {
		ended.Go(func() { n.ask(t.Context(), t, http.MethodGet, "/notes", "") })
	}
	ended.Wait()
	g.Expect(n.Busiest()).To(Equal(2))
	n.Forget()
	g.Expect(n.Calls()).To(BeEmpty())
	g.Expect(n.Busiest()).To(BeZero())
}
