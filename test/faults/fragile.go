// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fragile is one of the watches of an incarnation. It goes well until it is armed and would tell of what it waits for:
// then it breaks instead. The watch that follows it goes well again.
type Fragile struct {
	// Is chooses the watch, and what is listed for it.
	Is func(*Call) bool
	// Tells chooses the event; nil for the next one.
	Tells func(event []byte) bool
	// Break is how it breaks.
	Break Break
	// Refused answers whoever makes the watch again, for a while; nil for nobody.
	Refused Fault

	mu     sync.Mutex
	opened int
	armed  bool
	broken time.Time
	over   chan struct{}
	// asked are the lists and watches since it broke.
	asked int
}

// Break writes what is told instead of an event, and returns how the stream ends; nil is its ordinary end.
type Break func(s *Fragile, to io.Writer, event, before frame) error

// refusing is how long a watch that broke is refused.
const refusing = 2 * time.Second

// Plan is how the watch comes into being.
func (s *Fragile) Plan(c *Call) Fault {
	if !s.Is(c) || (c.Verb != "watch" && c.Verb != "list") {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed && !s.broken.IsZero() {
		s.asked++
		if s.Refused != nil && time.Since(s.broken) < refusing {
			return s.Refused
		}
	}
	if c.Verb == "watch" {
		return s.open
	}
	return nil
}

func (s *Fragile) open(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	before := frame(fmt.Sprintf(`{"object":{"metadata":{"resourceVersion":%q}}}`, c.request.URL.Query().Get("resourceVersion")))
	response, err := relay(c, on, func(from io.Reader, to io.WriteCloser) error { return s.pass(from, to, before) })
	if err == nil && response.StatusCode == http.StatusOK {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opened++
	}
	return response, err
}

// pass lets events through until the watch breaks.
func (s *Fragile) pass(from io.Reader, to io.Writer, before frame) error {
	for events := bufio.NewReader(from); ; {
		event, err := events.ReadBytes('\n')
		if err != nil {
			return err
		}
		if s.breaksAt(event) {
			return s.Break(s, to, event, before)
		}
		if _, err := to.Write(event); err != nil {
			return err
		}
		before = event
	}
}

func (s *Fragile) breaksAt(event frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.armed || !s.broken.IsZero() || event.is("BOOKMARK") || (s.Tells != nil && !s.Tells(event)) {
		return false
	}
	s.broken = time.Now()
	return true
}

// Arm has the stream break at the next event.
func (s *Fragile) Arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed, s.over = true, make(chan struct{})
}

// End ends a watch that broke and is open still, as the operator does when it has lasted long enough.
func (s *Fragile) End() { close(s.over) }

// IsOpen reports that the watch was made.
func (s *Fragile) IsOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened > 0
}

// IsBroken reports that the watch broke.
func (s *Fragile) IsBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.broken.IsZero()
}

// Asked is how many lists and watches there were since the watch broke, and for how long.
func (s *Fragile) Asked() (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, time.Since(s.broken)
}

// frame is an event of a watch, as a line of JSON.
type frame []byte

func (f frame) is(kind string) bool { return bytes.HasPrefix(f, []byte(`{"type":"`+kind+`"`)) }

// Closed ends the stream in place of an event.
func Closed(*Fragile, io.Writer, frame, frame) error { return nil }

// Torn loses the connection in the middle of an event.
func Torn(_ *Fragile, to io.Writer, event, _ frame) error {
	_, _ = to.Write(event[:len(event)/2])
	return io.ErrUnexpectedEOF
}

// Expired says that the past is forgotten, which ends the stream.
func Expired(_ *Fragile, to io.Writer, _, _ frame) error {
	return send(to, "ERROR", &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version",
	})
}

// Silent says nothing any more.
func Silent(s *Fragile, _ io.Writer, _, _ frame) error {
	<-s.over
	return context.DeadlineExceeded
}

// OnlyBookmarks says that nothing happens, as of where it was before the event.
func OnlyBookmarks(s *Fragile, to io.Writer, event, before frame) error {
	received, last := struct{ Object metav1.PartialObjectMetadata }{}, struct{ Object metav1.PartialObjectMetadata }{}
	if err := json.Unmarshal(event, &received); err != nil {
		return err
	}
	if err := json.Unmarshal(before, &last); err != nil {
		return err
	}
	bookmark := &metav1.PartialObjectMetadata{TypeMeta: received.Object.TypeMeta}
	bookmark.ResourceVersion = last.Object.ResourceVersion
	for range 3 {
		if err := send(to, "BOOKMARK", bookmark); err != nil {
			return err
		}
	}
	return Silent(s, to, event, before)
}

func send(to io.Writer, kind string, object any) error {
	return json.NewEncoder(to).Encode(map[string]any{"type": kind, "object": object})
}
