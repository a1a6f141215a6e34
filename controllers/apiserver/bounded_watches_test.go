// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// silence is the body of an answer that says nothing until its request ends.
type silence struct{ context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.Done()
	return 0, s.Err()
}

func (silence) Close() error { return nil }

func TestAWatchThatSaysNothingEnds(t *testing.T) {
	for query, lasts := range map[string]time.Duration{
		"watch=true&timeoutSeconds=300": 5*time.Minute + watchGrace,
		"watch=1&timeoutSeconds=600":    10*time.Minute + watchGrace,
		"watch=true":                    10*time.Minute + watchGrace,
		"watch=true&timeoutSeconds=0":   10*time.Minute + watchGrace,
		"timeoutSeconds=300":            time.Hour,
		"watch=false":                   time.Hour,
	} {
		t.Run(query, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				response := answered(ctx, t, query)
				_, err := io.ReadAll(response.Body)
				g.Expect(err).To(MatchError(context.DeadlineExceeded), "which a reader takes for the ordinary end of a watch")
				g.Expect(time.Since(began)).To(Equal(lasts))
				g.Expect(response.Body.Close()).To(Succeed())
			})
		})
	}
}

// answered is the answer to a request that goes through boundWatches to a server that says nothing.
func answered(ctx context.Context, t *testing.T, query string) *http.Response {
	t.Helper()
	return through(ctx, t, query, func(r *http.Request) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Body: silence{r.Context()}}
	})
}

// through is the answer of a server to a request that goes through boundWatches.
func through(ctx context.Context, t *testing.T, query string, answers func(*http.Request) *http.Response) *http.Response {
	t.Helper()
	g := NewWithT(t)
	server := RoundTripper(func(r *http.Request) (*http.Response, error) { return answers(r), nil })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://kubernetes.default.svc/api/v1/secrets?"+query, nil)
	g.Expect(err).NotTo(HaveOccurred())
	response, err := boundWatches(server).RoundTrip(request)
	g.Expect(err).NotTo(HaveOccurred())
	return response
}

func TestAWatchThatCannotBeMadeIsNoReasonToGoOnWhereItWas(t *testing.T) {
	g := NewWithT(t)
	away := RoundTripper(func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED })
	for query, retried := range map[string]bool{"watch=true": false, "watch=false": true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://kubernetes.default.svc/api/v1/secrets?"+query, nil)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = boundWatches(away).RoundTrip(request) //nolint:bodyclose // There is no response.
		g.Expect(err).To(MatchError(ContainSubstring("connection refused")))
		g.Expect(utilnet.IsConnectionRefused(err)).To(Equal(retried), "by which an informer knows")
	}
}

// ending is the body of an answer that ends after a while, in some way.
type ending struct {
	after time.Duration
	how   error
}

func (e ending) Read([]byte) (int, error) {
	<-time.After(e.after)
	return 0, e.how
}

func (ending) Close() error { return nil }

func TestAWatchThatEndsBeforeItsTimeIsNoReasonToGoOnWhereItWas(t *testing.T) {
	for what, test := range map[string]struct {
		query  string
		status int
		ends   ending
		want   error
	}{
		"at its time":            {"watch=true&timeoutSeconds=300", http.StatusOK, ending{5 * time.Minute, io.EOF}, io.EOF},
		"before":                 {"watch=true&timeoutSeconds=300", http.StatusOK, ending{5*time.Minute - time.Second, io.EOF}, errEndedEarly},
		"before, cut":            {"watch=true&timeoutSeconds=300", http.StatusOK, ending{0, io.ErrUnexpectedEOF}, errEndedEarly},
		"before, reset":          {"watch=true&timeoutSeconds=300", http.StatusOK, ending{0, syscall.ECONNRESET}, errEndedEarly},
		"before, by its reader":  {"watch=true&timeoutSeconds=300", http.StatusOK, ending{0, context.Canceled}, context.Canceled},
		"before it was one":      {"watch=true&timeoutSeconds=300", http.StatusForbidden, ending{0, io.EOF}, io.EOF},
		"an answer that is none": {"timeoutSeconds=300", http.StatusOK, ending{0, io.EOF}, io.EOF},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				response := through(t.Context(), t, test.query, func(*http.Request) *http.Response {
					return &http.Response{StatusCode: test.status, Body: test.ends}
				})
				_, err := response.Body.Read(nil)
				g.Expect(err).To(Equal(test.want))
				g.Expect(utilnet.IsProbableEOF(err)).To(Equal(errors.Is(test.want, io.EOF)), "by which a reader goes on")
				g.Expect(response.Body.Close()).To(Succeed())
			})
		})
	}
}

func TestAWatchThatIsClosedLeavesNoTimerBehind(t *testing.T) {
	g := NewWithT(t)
	response := answered(t.Context(), t, "watch=true")
	g.Expect(response.Body.Close()).To(Succeed())
	_, err := response.Body.Read(nil)
	g.Expect(err).To(MatchError(context.Canceled))
}
