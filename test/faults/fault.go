// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fault decides what becomes of a call. on sends it to the API server; what the fault returns is what the operator gets.
type Fault func(c *Call, on func() (*http.Response, error)) (*http.Response, error)

// Plan chooses the fault of a call, or nil to let it pass.
type Plan func(*Call) Fault

// CrashBefore ends the incarnation before the API server sees the call.
func CrashBefore(c *Call, _ func() (*http.Response, error)) (*http.Response, error) {
	c.wire.Kill()
	return nil, errFenced
}

// CrashAfter ends the incarnation when the API server has done what the call asks, and before it hears of it.
func CrashAfter(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	lose(on())
	c.wire.Kill()
	return nil, errFenced
}

// Timeout loses the call on its way there.
func Timeout(*Call, func() (*http.Response, error)) (*http.Response, error) { return nil, errTimeout }

// Reset loses the answer on its way back.
func Reset(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
	lose(on())
	return nil, errCut
}

// Truncate loses the second half of the answer.
func Truncate(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
	response, err := on()
	if err != nil {
		return nil, err
	}
	content, err := drain(&response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(content[:len(content)/2]), brokenReader{}))
	return response, nil
}

type brokenReader struct{}

// Read implements io.Reader.
func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Refuse answers the call with a status of Kubernetes in place of the API server. retryAfter is in seconds; none when
// negative.
func Refuse(code int, reason metav1.StatusReason, message string, retryAfter int) Fault {
	return func(c *Call, _ func() (*http.Response, error)) (*http.Response, error) {
		content, err := json.Marshal(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Code: int32(code), Reason: reason, Message: message,
			Details: &metav1.StatusDetails{Name: c.Name, Group: c.APIGroup, Kind: c.Resource},
		})
		if err != nil {
			return nil, fmt.Errorf("make a status: %w", err)
		}
		header := http.Header{"Content-Type": []string{"application/json"}}
		if retryAfter >= 0 {
			header.Set("Retry-After", strconv.Itoa(retryAfter))
		}
		return &http.Response{
			Status: http.StatusText(code), StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: header, Body: io.NopCloser(bytes.NewReader(content)), ContentLength: int64(len(content)),
		}, nil
	}
}

// Held is a call that was stopped on its way. Meet it by its Fault.
type Held struct {
	// Reached is closed when the call is held, Done when the API server has answered it.
	Reached, Done chan struct{}
	release       chan struct{}
	once          sync.Once
}

// NewHeld is a fault for one call.
func NewHeld() *Held {
	return &Held{Reached: make(chan struct{}), Done: make(chan struct{}), release: make(chan struct{})}
}

// Fault holds the call until Release. It reaches the API server even if the incarnation is dead by then.
func (h *Held) Fault(_ *Call, on func() (*http.Response, error)) (*http.Response, error) {
	close(h.Reached)
	<-h.release
	defer close(h.Done)
	return on()
}

// HasReached reports whether the call is held, or was.
func (h *Held) HasReached() bool { return isClosed(h.Reached) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Release lets the call go on.
func (h *Held) Release() { h.once.Do(func() { close(h.release) }) }

// At lets a fault meet the one call with a signature.
func At(signature string, fault Fault) Plan {
	return func(c *Call) Fault {
		if c.Signature == signature {
			return fault
		}
		return nil
	}
}

// AtWrite lets a fault meet the nth call that writes, counted from one.
func AtWrite(n int, fault Fault) Plan {
	var mu sync.Mutex
	writes := 0
	return func(c *Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		if c.Writes() {
			writes++
		}
		if c.Writes() && writes == n {
			return fault
		}
		return nil
	}
}

// Budget ends the incarnation after so many calls.
func Budget(calls int) Plan {
	return func(c *Call) Fault {
		if c.Number > calls {
			return CrashBefore
		}
		return nil
	}
}

// While lets a fault meet each call that a function chooses.
func While(chosen func(*Call) bool, fault Fault) Plan {
	return func(c *Call) Fault {
		if chosen(c) {
			return fault
		}
		return nil
	}
}

// Seeded lets one of some faults meet a call with a probability, until there were most of them. The same seed chooses
// the same for the same calls. More than one incarnation may have the plan.
func Seeded(seed uint64, probability float64, most int, of func(*Call) []Fault) Plan {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return func(c *Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		faults := of(c)
		if most == 0 || random.Float64() >= probability || len(faults) == 0 {
			return nil
		}
		most--
		return faults[random.IntN(len(faults))]
	}
}

// lose drops an answer.
func lose(response *http.Response, err error) {
	if err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
