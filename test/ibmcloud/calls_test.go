// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/standin"
)

func TestWhatGoesWrong(t *testing.T) {
	const path = "/api/v1/namespaces/"
	put := standin.To("PUT", path)
	for name, c := range map[string]struct {
		fault  *standin.Fault
		status int
		// made is that the call took effect.
		made bool
	}{
		"too many requests":    {standin.TooMany(put, time.Minute), http.StatusTooManyRequests, false},
		"an error before":      {&standin.Fault{Match: put, Status: http.StatusInternalServerError}, http.StatusInternalServerError, false},
		"an error after":       {&standin.Fault{Match: put, Status: http.StatusInternalServerError, Commit: true}, http.StatusInternalServerError, true},
		"a page":               {standin.HTML(put, http.StatusBadGateway), http.StatusBadGateway, false},
		"a body of five MiB":   {standin.Huge(put), http.StatusOK, false},
		"one more field":       {&standin.Fault{Match: put, Change: func(body []byte) []byte { return []byte(`{"more":1,` + string(body[1:])) }}, http.StatusCreated, true},
		"somebody else before": {&standin.Fault{Match: put, Pass: true, Do: func() {}}, http.StatusCreated, true},
		"another call":         {&standin.Fault{Match: standin.To("DELETE", ""), Status: http.StatusInternalServerError}, http.StatusCreated, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			g := NewWithT(t)
			w.Inject(c.fault)
			got := w.as(w.owner, "PUT", spacesURL+"/"+sensors, "")
			g.Expect(got.status).To(Equal(c.status))
			g.Expect(w.Namespaces(plant, "us-south")).To(HaveLen(map[bool]int{true: 1}[c.made]))
			switch name {
			case "too many requests":
				g.Expect(got.header.Get("Retry-After")).To(Equal("60"))
			case "a body of five MiB":
				g.Expect(len(got.text)).To(BeNumerically(">", 5<<20))
			case "one more field":
				g.Expect(w.body(got)).To(HaveKeyWithValue("more", 1.0))
			case "another call":
				g.Expect(w.Met(c.fault)).To(BeZero())
			}
			again := w.as(w.owner, "PUT", spacesURL+"/"+sensors, "").status
			g.Expect(again).To(Equal(map[bool]int{true: http.StatusOK, false: http.StatusCreated}[c.made]), "one call alone")
		})
	}
}

func TestACallThatHangsOrIsCut(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	token := w.token(w.owner)
	try := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, "PUT", spacesURL+"/"+sensors, nil)
		g.Expect(err).NotTo(HaveOccurred())
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Account", plant)
		resp, err := w.client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	w.Inject(&standin.Fault{Match: standin.To("PUT", ""), Commit: true})
	g.Expect(try(t.Context())).To(HaveOccurred(), "cut")
	g.Expect(w.Namespaces(plant, "us-south")).To(HaveLen(1), "it took effect")

	ctx, cancel := context.WithCancel(t.Context())
	w.Inject(&standin.Fault{Match: standin.To("PUT", ""), Hang: true, Do: cancel})
	g.Expect(try(ctx)).To(MatchError(context.Canceled))
	w.Heal()
	g.Expect(try(t.Context())).To(Succeed())
}

func TestEveryCallIsWrittenDownWithoutKeys(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	who := w.AddServiceID(plant, "puller", rightsOf(OnNamespace(plant, "us-south", sensors), "Reader"))
	w.Forget()
	w.idOf(w.newKeyOf(who.IAMID, `,"apikey":"`+chosen+`"`))
	w.as(w.owner, "GET", keysURL+"/details", "", "IAM-ApiKey: "+chosen)
	w.send("GET", usURL+"/oauth/token", "", basic("iamapikey", who.Value()))
	var written []string
	for _, call := range w.Calls() {
		written = append(written, call.String()+" "+strconv.Itoa(call.Status))
	}
	g.Expect(written).To(Equal([]string{
		"iam.cloud.ibm.com: POST /identity/token 200", "iam.cloud.ibm.com: POST /v1/apikeys 201",
		"iam.cloud.ibm.com: POST /identity/token 200", "iam.cloud.ibm.com: GET /v1/apikeys/details 404",
		"us.icr.io: GET /oauth/token 200",
	}))
	g.Expect(w.Count(Writes)).To(Equal(1))
	g.Expect(w.Exposed()).To(BeEmpty())
	g.Expect(w.Values()).To(HaveLen(3))

	w.send("GET", usURL+"/api/v1/messages?key="+chosen, "")
	w.send("GET", usURL+"/api/v1/messages", "", "X-Key: "+who.Value())
	g.Expect(w.Exposed()).To(HaveLen(2))
	for _, call := range w.Calls() {
		for _, value := range w.Values() {
			g.Expect(strings.Contains(call.String(), value)).To(BeFalse(), "a key is written down")
		}
	}
}

func TestNamesLeadToTheirParts(t *testing.T) {
	w := newWorld(t, Options{})
	g := NewWithT(t)
	for _, host := range Hosts() {
		g.Expect(w.send("GET", "https://"+host+"/nothing", "").status).To(Equal(http.StatusNotFound), host)
	}
	_, err := w.DialContext(t.Context(), "tcp", "kr.icr.io:443")
	var unknown *net.DNSError
	g.Expect(err).To(MatchError(ContainSubstring("no such host")))
	g.Expect(err).To(Satisfy(func(err error) bool { return errors.As(err, &unknown) && unknown.IsNotFound }))
	g.Expect(w.send("GET", usURL+"/v1/apikeys", "").status).To(Equal(http.StatusNotFound), "IAM is elsewhere")
	g.Expect(w.send("GET", iamURL+"/api/v1/messages", "").status).To(Equal(http.StatusNotFound), "the registry is elsewhere")

	req, err := http.NewRequestWithContext(t.Context(), "GET", usURL+"/api/v1/messages", nil)
	g.Expect(err).NotTo(HaveOccurred())
	req.Host = "de.icr.io"
	resp, err := w.client.Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	_ = resp.Body.Close()
	g.Expect(resp.StatusCode).To(Equal(http.StatusMisdirectedRequest), "a name that was not asked for in TLS")
}
