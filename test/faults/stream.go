// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/endpoints/request"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Event is one event of a watch on its way to the operator.
type Event struct {
	// Signature is "TYPE [group/]resource [namespace/]name #k" of what happened since the stream was armed, like that
	// of a Call. It is empty for what is older, for what is not about the case, and for bookmarks.
	Signature string
	// Resource is what is watched, Type what happened.
	Resource string
	Type     watch.EventType
	// At is the revision of what happened.
	At uint64
}

// Stream decides on the events of the watches of one incarnation.
type Stream struct {
	// Passes decides on each event, in the order of its watch: while it does not return, this event and those after it
	// are held, and when it returns false this one is lost. All pass when nil.
	Passes func(Event) bool

	c     *Case
	mu    sync.Mutex
	since uint64
	alike map[string]int
	open  map[string][]io.Closer
}

// NewStream is not armed: all that it sees counts as older.
func (c *Case) NewStream(passes func(Event) bool) *Stream {
	return &Stream{Passes: passes, c: c, since: math.MaxUint64, alike: map[string]int{}, open: map[string][]io.Closer{}}
}

// Arm counts what happens from now on.
func (s *Stream) Arm() {
	now := s.c.revision()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = now
}

// Plan is that of the incarnation.
func (s *Stream) Plan(call *Call) Fault {
	if call.Verb != "watch" {
		return nil
	}
	return s.fault
}

// fault puts the stream between the API server's answer to a watch and the operator.
func (s *Stream) fault(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	return relay(c, on, func(from io.Reader, to io.WriteCloser) error {
		s.mu.Lock()
		s.open[c.Resource] = append(s.open[c.Resource], to)
		s.mu.Unlock()
		return s.forward(c, from, to)
	})
}

// End ends each watch of a resource, as the API server does when its time is over: within ten minutes, as informers ask.
func (s *Stream) End(resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, open := range s.open[resource] {
		_ = open.Close()
	}
	delete(s.open, resource)
}

func (s *Stream) forward(c *Call, from io.Reader, to io.Writer) error {
	for events := json.NewDecoder(from); ; {
		var frame json.RawMessage
		if err := events.Decode(&frame); err != nil {
			return err
		}
		event, err := s.read(c, frame)
		if err != nil {
			return err
		}
		if s.Passes == nil || s.Passes(event) {
			if _, err := to.Write(append(frame, '\n')); err != nil {
				return err
			}
		}
	}
}

func (s *Stream) read(c *Call, frame json.RawMessage) (Event, error) {
	content := struct {
		Type   watch.EventType
		Object metav1.PartialObjectMetadata
	}{}
	if err := json.Unmarshal(frame, &content); err != nil {
		return Event{}, fmt.Errorf("read an event of %s: %w", c.Signature, err)
	}
	event := Event{Resource: c.Resource, Type: content.Type}
	event.At, _ = strconv.ParseUint(content.Object.ResourceVersion, 10, 64)
	s.mu.Lock()
	defer s.mu.Unlock()
	if event.At <= s.since || content.Type == watch.Bookmark || content.Type == watch.Error || !s.c.isAbout(c.Resource, &content.Object) {
		return event, nil
	}
	event.Signature = c.wire.signature(&Call{RequestInfo: &request.RequestInfo{
		Verb: strings.ToLower(string(content.Type)), APIGroup: c.APIGroup, Resource: c.Resource,
		Namespace: content.Object.Namespace, Name: content.Object.Name,
	}})
	s.alike[event.Signature]++
	event.Signature += fmt.Sprintf(" #%d", s.alike[event.Signature])
	return event, nil
}

// isAbout reports whether an object is of the case, or its Route.
func (c *Case) isAbout(resource string, object client.Object) bool {
	if resource == "routes" {
		return object.GetName() == c.route
	}
	return strings.HasPrefix(pageOf(object), c.Edge.Name) || strings.HasPrefix(object.GetName(), c.Edge.Name)
}

// revision is that of the whole cluster: all kinds are in the same etcd, so their versions have one order.
func (c *Case) revision() uint64 {
	c.T.Helper()
	list := &corev1.ConfigMapList{}
	c.must(c.World.Admin.List(c.ctx, list, client.InNamespace(operatorNamespace), client.Limit(1)), "read the revision of the cluster")
	at, err := strconv.ParseUint(list.ResourceVersion, 10, 64)
	c.must(err, "read the revision of the cluster")
	return at
}

// From lets a cache of one resource begin with the state of a revision, as an API server that lags behind would. What
// happened since comes by the watch, through a stream.
func From(revision uint64, resource string, stream *Stream) Plan {
	return func(call *Call) Fault {
		query := call.request.URL.Query()
		switch {
		case call.Resource != resource:
			return nil
		case call.Verb == "watch" && query.Get("sendInitialEvents") == "true":
			// A list in its place.
			return Refuse(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "the test wants a list", -1)
		case call.Verb == "list":
			return func(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
				query.Set("resourceVersion", strconv.FormatUint(revision, 10))
				query.Set("resourceVersionMatch", string(metav1.ResourceVersionMatchExact))
				call.request.URL.RawQuery = query.Encode()
				return on()
			}
		default:
			return stream.Plan(call)
		}
	}
}

// Gate holds what comes to it until it is opened.
type Gate struct {
	// Reached is closed when something is held.
	Reached      chan struct{}
	opened       chan struct{}
	reach, final sync.Once
}

// NewGate is closed.
func NewGate() *Gate { return &Gate{Reached: make(chan struct{}), opened: make(chan struct{})} }

// Wait returns when the gate is open.
func (g *Gate) Wait() {
	g.reach.Do(func() { close(g.Reached) })
	<-g.opened
}

// HasReached reports whether something is held, or was.
func (g *Gate) HasReached() bool { return isClosed(g.Reached) }

// Open lets everything pass from now on.
func (g *Gate) Open() { g.final.Do(func() { close(g.opened) }) }
