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
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Stream is one of the watches of an incarnation. It goes well until it is armed and would tell of what it is waiting
// for: then it breaks instead. What follows it goes well again.
type Stream struct {
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
type Break func(s *Stream, to io.Writer, event, before frame) error

// refusing is how long a watch that broke is refused.
const refusing = 2 * time.Second

// Plan is how the stream comes into being.
func (s *Stream) Plan(c *Call) Fault {
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

func (s *Stream) open(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	// In JSON an event is a line.
	accepted := slices.DeleteFunc(strings.Split(c.request.Header.Get("Accept"), ","), func(what string) bool {
		return strings.Contains(what, "protobuf")
	})
	c.request.Header.Set("Accept", strings.Join(accepted, ","))
	response, err := on()
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	reader, writer := io.Pipe()
	go s.relay(response.Body, writer, frame(fmt.Sprintf(`{"object":{"metadata":{"resourceVersion":%q}}}`, c.request.URL.Query().Get("resourceVersion"))))
	response.Body = relayed{reader, response.Body}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return response, nil
}

// relayed is the near end of a stream, whose end is that of the far one too.
type relayed struct {
	*io.PipeReader
	far io.Closer
}

// Close implements io.Closer.
func (r relayed) Close() error {
	_ = r.PipeReader.Close()
	return r.far.Close()
}

// relay passes events on until the stream breaks.
func (s *Stream) relay(from io.Reader, to *io.PipeWriter, before frame) {
	events := bufio.NewReader(from)
	for {
		event, err := events.ReadBytes('\n')
		if err != nil {
			_ = to.CloseWithError(err)
			return
		}
		if s.breaksAt(event) {
			_ = to.CloseWithError(s.Break(s, to, event, before))
			return
		}
		if _, err := to.Write(event); err != nil {
			return
		}
		before = event
	}
}

func (s *Stream) breaksAt(event frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.armed || !s.broken.IsZero() || event.is("BOOKMARK") || (s.Tells != nil && !s.Tells(event)) {
		return false
	}
	s.broken = time.Now()
	return true
}

// Arm has the stream break at the next event.
func (s *Stream) Arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed, s.over = true, make(chan struct{})
}

// End ends a stream that broke and is open still, as the operator does when it has lasted long enough.
func (s *Stream) End() { close(s.over) }

// IsOpen reports that the watch was made.
func (s *Stream) IsOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened > 0
}

// IsBroken reports that the stream broke.
func (s *Stream) IsBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.broken.IsZero()
}

// Asked is how many lists and watches there were since the stream broke, and for how long.
func (s *Stream) Asked() (int, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, time.Since(s.broken)
}

// frame is an event of a watch, as a line of JSON.
type frame []byte

func (f frame) is(kind string) bool { return bytes.HasPrefix(f, []byte(`{"type":"`+kind+`"`)) }

// Closed ends the stream in place of an event.
func Closed(*Stream, io.Writer, frame, frame) error { return nil }

// Torn loses the connection in the middle of an event.
func Torn(_ *Stream, to io.Writer, event, _ frame) error {
	_, _ = to.Write(event[:len(event)/2])
	return io.ErrUnexpectedEOF
}

// Expired says that the past is forgotten, which ends the stream.
func Expired(_ *Stream, to io.Writer, _, _ frame) error {
	return tell(to, "ERROR", &metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version",
	})
}

// Silent says nothing any more.
func Silent(s *Stream, _ io.Writer, _, _ frame) error {
	<-s.over
	return context.DeadlineExceeded
}

// OnlyBookmarks says that nothing happens, as of where it was before the event.
func OnlyBookmarks(s *Stream, to io.Writer, event, before frame) error {
	told, last := struct{ Object metav1.PartialObjectMetadata }{}, struct{ Object metav1.PartialObjectMetadata }{}
	if err := json.Unmarshal(event, &told); err != nil {
		return err
	}
	if err := json.Unmarshal(before, &last); err != nil {
		return err
	}
	bookmark := &metav1.PartialObjectMetadata{TypeMeta: told.Object.TypeMeta}
	bookmark.ResourceVersion = last.Object.ResourceVersion
	for range 3 {
		if err := tell(to, "BOOKMARK", bookmark); err != nil {
			return err
		}
	}
	return Silent(s, to, event, before)
}

func tell(to io.Writer, kind string, object any) error {
	return json.NewEncoder(to).Encode(map[string]any{"type": kind, "object": object})
}
