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
	// watchAtLeast and watchAtMost bound the duration of a watch, as in client-go's informers: a silent watch looks the same
	// whether nothing happens or something in between has lost it.
	watchAtLeast = 5 * time.Minute
	watchAtMost  = 2 * watchAtLeast
	// watchGrace is how much later than requested the operator ends a watch itself: if events get lost, its end may too.
	watchGrace = 30 * time.Second
)

// WatchSeconds is the timeout to request for a watch, random so that watches do not all end at once.
func WatchSeconds() *int64 {
	seconds := int64(wait.Jitter(watchAtLeast, 1).Seconds())
	return &seconds
}

// errEndedEarly makes a reader start over.
var errEndedEarly = errors.New("the watch ended before its time")

// boundWatches ends each watch that has lasted longer than requested. Its reader takes that for the ordinary end of a watch, and
// resumes from its last version. A watch that ends earlier was ended by a fault, and its reader gets an error.
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
		ctx, cancel := context.WithTimeout(bareContext(r.Context()), lasts+watchGrace)
		response, err := next.RoundTrip(r.WithContext(ctx))
		if err != nil {
			cancel()
			// An informer that knows why it cannot watch resumes from its last version. An API server that was away may come
			// back with an older etcd, whose versions repeat, and new events would be taken for old ones. So it lists again.
			return nil, errors.New(err.Error())
		}
		body := &bounded{ReadCloser: response.Body, cancel: cancel}
		if response.StatusCode == http.StatusOK {
			body.due = began.Add(lasts)
		}
		// The stream keeps its response for as long as it lasts, and no longer needs these parts of it.
		answer := *response
		response.Request, response.Header = nil, nil
		answer.Body = body
		return &answer, nil
	})
}

// bare is the key of a context that a request came with.
type bare struct{}

// Bare returns a context for a watch that is to be kept at little cost. client-go adds a trace to the context of each request,
// which the stream would keep for as long as it lasts, and this one is looked for under it.
func Bare(ctx context.Context) context.Context { return context.WithValue(ctx, bare{}, ctx) }

func bareContext(ctx context.Context) context.Context {
	if under, ok := ctx.Value(bare{}).(context.Context); ok {
		return under
	}
	return ctx
}

// RoundTripper is a function that answers requests.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// bounded is the body of a response that lasts as long as a context.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
	// due is when a watch may end; zero for a response that is no watch.
	due time.Time
}

// Read implements io.Reader. An API server that went away before a watch was due may come back with an older etcd, which uses the
// same versions a second time: a reader that resumes would take new events for old ones. The cause is hidden, since readers
// resume after some errors.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, context.Canceled) && time.Now().Before(b.due) {
		err = errEndedEarly
	}
	return n, err
}

// Close implements io.Closer.
func (b *bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
