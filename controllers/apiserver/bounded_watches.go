// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// watchAtLeast and watchAtMost are between what the operator has a watch last, as the informers of client-go do: a
	// watch that tells nothing looks the same whether nothing happens or something between has lost it.
	watchAtLeast = 5 * time.Minute
	watchAtMost  = 2 * watchAtLeast
	// watchGrace is how much later than asked the operator ends a watch itself, since who loses events may lose its end.
	watchGrace = 30 * time.Second
)

// WatchSeconds is for how long to ask for a watch. No two are alike, so that they do not all end at once.
func WatchSeconds() *int64 {
	seconds := int64(wait.Jitter(watchAtLeast, 1).Seconds())
	return &seconds
}

// errEndedEarly is what a reader gets that has to begin again.
var errEndedEarly = errors.New("the watch ended before its time")

// boundWatches ends each watch that has lasted longer than was asked for. Its reader takes that for the ordinary end of
// a watch, and goes on from what it was last told. What ends earlier was ended by a fault, and is told as one.
func boundWatches(next http.RoundTripper) http.RoundTripper {
	return RoundTripper(func(r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		if watching, _ := strconv.ParseBool(query.Get("watch")); !watching {
			return next.RoundTrip(r)
		}
		lasts := watchAtMost
		if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil && seconds > 0 {
			lasts = time.Duration(seconds) * time.Second
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(r.Context(), lasts+watchGrace)
		response, err := next.RoundTrip(r.WithContext(ctx))
		if err != nil {
			cancel()
			// An informer that knows why it cannot watch resumes from its last version. An API server that was away may come
			// back with an older etcd, whose versions repeat, and new events would be taken for old ones. So it lists again.
			return nil, errors.New(err.Error())
		}
		body := bounded{ReadCloser: response.Body, cancel: cancel}
		if response.StatusCode == http.StatusOK {
			body.due = began.Add(lasts)
		}
		// The stream keeps its response for as long as it lasts, and needs nothing of these any more.
		answer := *response
		response.Request, response.Header = nil, nil
		answer.Body = body
		return &answer, nil
	})
}

// RoundTripper is a function that answers requests.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// bounded is the body of an answer that lasts as long as a context.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
	// due is when a watch may end; zero for an answer that is no watch.
	due time.Time
}

// Read implements io.Reader. An API server that went away before a watch was due may come back with an older etcd, which
// gives out the same versions a second time: who goes on from where it was would take what is new for old. The cause is
// left out, since by some of them readers know the end of a connection, and go on.
func (b bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, context.Canceled) && time.Now().Before(b.due) {
		err = errEndedEarly
	}
	return n, err
}

// Close implements io.Closer.
func (b bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
