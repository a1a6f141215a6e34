// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Call is one request of an incarnation on its way to the API server.
type Call struct {
	// Number counts the requests of the incarnation from one.
	Number int
	// Signature is "VERB [group/]resource[/sub] [namespace/]name #k", where k counts those that are alike. It is
	// the same in every run: the EdgeRegistry is NAME there, its private Route ROUTE, and the number of a bound Secret N.
	Signature string
	// Info is what is asked for, by the API server's own reading of the request.
	*request.RequestInfo
	// Body is what the request carries; Read decodes it.
	Body []byte
	// Lasts is when the operator ends the request by itself, counted from its beginning; zero for never.
	Lasts time.Duration

	request *http.Request
	query   string
	wire    *Wire
}

// Writes reports whether the call changes an object. Reviews, dry runs, events and leases do not count.
func (c *Call) Writes() bool {
	switch {
	case slices.Contains([]string{"get", "list", "watch"}, c.Verb), strings.Contains(c.query, "dryRun="):
		return false
	}
	return !strings.HasSuffix(c.Resource, "reviews") && c.Resource != "events" && c.Resource != "leases"
}

// Mints reports whether the call asks for a token.
func (c *Call) Mints() bool { return c.Resource == "serviceaccounts" && c.Subresource == "token" }

// Wire is all that one incarnation says to the API server. Its zero value lets everything pass.
type Wire struct {
	// Name is that of the EdgeRegistry, which signatures show as NAME; empty leaves names as they are.
	Name string
	// Plan decides on each call; nil lets all pass.
	Plan Plan
	// OnDeath is called once, before anything else can happen; nil for nothing.
	OnDeath func()
	// UID is that of the EdgeRegistry, by which its record is named; empty where only one is served.
	UID string
	// Beside has what the incarnation asks for another EdgeRegistry that it serves, and dies with it; nil for none.
	Beside *Wire

	mu    sync.Mutex
	calls []*Call
	alike map[string]int
	dead  bool
	fired int
	// effects count what the API server did, whatever the incarnation heard of it: by signature, without #k.
	effects map[string]int
	issued  []Issued
}

// Issued is a token that the API server issued to an incarnation, received or not.
type Issued struct {
	credential.Token
	credential.Claims
}

// Wrap puts the wire under a client.
func (w *Wire) Wrap(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return w.of(r).send(r, next) })
	})
	return config
}

// of is the wire that a request belongs to. What is made for the cluster has its name in the body, and that is seldom read.
func (w *Wire) of(r *http.Request) *Wire {
	if w.Beside == nil {
		return w
	}
	about := r.URL.Path + r.URL.RawQuery
	named := strings.HasSuffix(r.URL.Path, "/projectrequests") || strings.HasSuffix(r.URL.Path, "/"+operatorNamespace+"/secrets")
	if r.GetBody != nil && named {
		if body, err := r.GetBody(); err == nil {
			content, _ := io.ReadAll(body)
			about += nameIn(content)
		}
	}
	if strings.Contains(about, w.Beside.Name) || (w.Beside.UID != "" && strings.Contains(about, w.Beside.UID)) {
		return w.Beside
	}
	return w
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// send hands a request to the plan. Nothing of a dead incarnation reaches the API server, but for what was held.
func (w *Wire) send(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	r = r.Clone(r.Context())
	call, err := w.admit(r)
	if err != nil {
		return nil, err
	}
	on := func() (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err == nil && response.StatusCode < http.StatusMultipleChoices && call.Writes() {
			err = w.note(call, response)
		}
		return response, err
	}
	if w.Plan == nil {
		return on()
	}
	fault := w.Plan(call)
	if fault == nil {
		return on()
	}
	w.mu.Lock()
	w.fired++
	w.mu.Unlock()
	// What a fault lets go arrives, whatever became of the sender meanwhile.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	return fault(call, on)
}

func (w *Wire) admit(r *http.Request) (*Call, error) {
	body, err := drain(&r.Body)
	if err != nil {
		return nil, err
	}
	info, err := resolver.NewRequestInfo(r)
	if err != nil {
		return nil, fmt.Errorf("read request %s %s: %w", r.Method, r.URL.Path, err)
	}
	if info.Name == "" && info.Verb == "create" {
		info.Name = nameIn(body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errFenced
	}
	call := &Call{Number: len(w.calls) + 1, RequestInfo: info, Body: body, request: r, query: r.URL.RawQuery, wire: w}
	if end, bounded := r.Context().Deadline(); bounded {
		call.Lasts = time.Until(end)
	}
	call.Signature = w.signature(call)
	if w.alike == nil {
		w.alike = map[string]int{}
	}
	w.alike[call.Signature]++
	call.Signature += fmt.Sprintf(" #%d", w.alike[call.Signature])
	w.calls = append(w.calls, call)
	return call, nil
}

var (
	resolver = &request.RequestInfoFactory{
		APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api"),
	}
	recordName        = regexp.MustCompile(`/edgeregistry-[0-9a-f-]{36}$`)
	boundSecretNumber = regexp.MustCompile(`-(publish|pull)-[0-9]+$`)
	privateRouteName  = regexp.MustCompile(`/route-[0-9]+$`)
)

func (w *Wire) signature(c *Call) string {
	verb, what, where := c.Verb, c.Resource, c.Name
	if strings.Contains(c.query, "dryRun=") {
		verb += "?dryRun"
	}
	if c.APIGroup != "" {
		what = c.APIGroup + "/" + what
	}
	if c.Subresource != "" {
		what += "/" + c.Subresource
	}
	if c.Namespace != "" && c.Resource != "namespaces" {
		where = c.Namespace + "/" + where
	}
	if w.Name != "" {
		where = strings.ReplaceAll(where, w.Name, "NAME")
	}
	where = privateRouteName.ReplaceAllString(boundSecretNumber.ReplaceAllString(where, "-$1-N"), "/ROUTE")
	where = recordName.ReplaceAllString(where, "/edgeregistry-UID")
	return strings.TrimSpace(verb + " " + what + " " + where)
}

// note counts what a call did.
func (w *Wire) note(c *Call, response *http.Response) error {
	var issued []Issued
	if c.Mints() {
		body, err := drain(&response.Body)
		if err != nil {
			return err
		}
		answer := &authenticationv1.TokenRequest{}
		if err := decode(body, answer); err != nil {
			return err
		}
		token := credential.NewToken(answer.Status.Token)
		claims, err := credential.ReadClaims(token)
		if err != nil {
			return fmt.Errorf("read the token of %s: %w", c.Signature, err)
		}
		issued = append(issued, Issued{token, claims})
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.effects == nil {
		w.effects = map[string]int{}
	}
	signature, _, _ := strings.Cut(c.Signature, " #")
	w.effects[signature]++
	w.issued = append(w.issued, issued...)
	return nil
}

// Calls are the requests so far.
func (w *Wire) Calls() []*Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// Effects are what the API server did for the incarnation: writes that it answered with success, by signature.
func (w *Wire) Effects() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.effects)
}

// Issued are the tokens that the API server issued to the incarnation.
func (w *Wire) Issued() []Issued {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.issued)
}

// Fired is how many calls the plan did not let pass.
func (w *Wire) Fired() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fired
}

// Kill fences the incarnation: from now on nothing of it gets through.
func (w *Wire) Kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dead && w.OnDeath != nil {
		w.OnDeath()
	}
	w.dead = true
	if w.Beside != nil {
		w.Beside.Kill()
	}
}

// Dead reports a fenced incarnation.
func (w *Wire) Dead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// netError is a failure of the network, as net/http reports it.
type netError struct {
	error
	timeout bool
}

func (e *netError) Timeout() bool { return e.timeout }
func (*netError) Temporary() bool { return true }

var (
	errFenced  = &netError{errors.New("this incarnation of the operator is dead"), false}
	errCut     = &netError{errors.New("the connection was cut by the test"), false}
	errTimeout = &netError{errors.New("the test let the request time out"), true}
)

// drain reads a body to its end and puts it back.
func drain(body *io.ReadCloser) ([]byte, error) {
	if *body == nil {
		return nil, nil
	}
	content, err := io.ReadAll(*body)
	_ = (*body).Close()
	*body = io.NopCloser(bytes.NewReader(content))
	return content, err
}

var protobufs = protobuf.NewSerializer(clientgoscheme.Scheme, clientgoscheme.Scheme)

// decode reads what is sent in JSON, or in the protobuf that clients prefer for the kinds of Kubernetes itself.
func decode(body []byte, into runtime.Object) error {
	if ok, _, _ := protobufs.RecognizesData(body); !ok {
		return json.Unmarshal(body, into)
	}
	_, _, err := protobufs.Decode(body, nil, into)
	return err
}

// nameIn is the name of the object that a body holds, or empty.
func nameIn(body []byte) string { return metadataIn(body).GetName() }

// metadataIn is that of the object that a body holds, or empty.
func metadataIn(body []byte) metav1.Object {
	if object, _, err := protobufs.Decode(body, nil, nil); err == nil {
		if accessor, err := meta.Accessor(object); err == nil {
			return accessor
		}
	}
	partial := &metav1.PartialObjectMetadata{}
	_ = json.Unmarshal(body, partial)
	return partial
}
