// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry finds out what a token may do at an image registry. It uses
// only the token and the distribution API, as docker does.
package registry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// ProbeRepository is the repository of a project that a probe requests. It need not
// exist, and the request does not create it.
const ProbeRepository = "edge-registry-probe"

// maxBody is how many bytes of an answer are read.
const maxBody = 64 << 10

// Dialect is how a registry differs from others.
type Dialect struct {
	// Anonymous is the token that the registry issues without a login; empty for none.
	Anonymous string
	// AnyRepository: a request about any repository below a project leaves no trace, and only the registry's own host issues
	// tokens. Without it the probe uses only a repository that the user named, because a request may create it, and the form of
	// login that the challenge names.
	AnyRepository bool
	// TokenHosts are further hosts, as host or host:port, that a login may be sent to for a token.
	TokenHosts []string
}

// Client is a client of one registry, for one probe of some logins. Not safe for concurrent use.
type Client struct {
	host      string
	transport http.RoundTripper
	dialect   Dialect
	// Advice is what to do about each kind of failure of this registry. For a kind that is absent, an error gives general advice.
	Advice map[Kind]string
	// Shown is what messages call the credential, such as key; empty for token.
	Shown string

	// The following three are the same for every login, so the client asks once. offers is how the registry takes logins, by
	// repository; the empty key is the registry itself. public tells which repositories everybody may read. seen are repositories
	// that the registry has shown to a login.
	offers       map[string]offer
	public, seen map[string]bool

	// shared is the cache of all clients that trust the same CAs, and recalled what this client used of it.
	shared   *Shared
	now      time.Time
	trust    [sha256.Size]byte
	recalled []sharedKey
}

// New returns a client of the registry at host, over HTTPS only. The transport
// decides whom to trust: it should hold the published CA and nothing else.
func New(host string, transport http.RoundTripper, dialect Dialect) *Client {
	return &Client{
		host: host, transport: transport, dialect: dialect,
		offers: map[string]offer{}, public: map[string]bool{}, seen: map[string]bool{},
	}
}

// Access is what a token may do in a project.
type Access struct {
	Pull bool `json:"pull,omitempty"`
	Push bool `json:"push,omitempty"`
	// ReadOnly means that the token may push, but that the registry takes no pushes for now.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Anonymous means that everybody may pull without a login, so that a pull proves nothing about the token.
	Anonymous bool `json:"anonymous,omitempty"`
	// Unproven is why a right was not tried, or why the trial proved nothing. The token itself was accepted.
	Unproven Unproven `json:"unproven,omitempty"`
}

// Probe logs in and finds out what the token may do. With the dialect AnyRepository, place is a project. Otherwise it is one
// repository; if it is empty, Probe only logs in. It stores nothing in the registry and begins no upload. An error is an *Error and
// means that there is no answer, never that the answer is no.
func (c *Client) Probe(ctx context.Context, place, user string, token credential.Token) (Access, error) {
	if token.IsZero() {
		return Access{}, c.fail(Refused, opLogin, 0, errors.New("there is no token"))
	}
	if !c.dialect.AnyRepository {
		return c.prove(ctx, place, user, token)
	}
	realm, err := c.challenge(ctx)
	if err != nil {
		return Access{}, err
	}
	repository := place + "/" + ProbeRepository
	bearer, err := c.login(ctx, realm, repository, user, token)
	if err != nil {
		return Access{}, err
	}
	s := session{Client: c, repository: repository, authorize: asBearer(bearer)}
	pull, err := s.pull(ctx)
	if err != nil {
		return Access{}, err
	}
	push, readOnly, err := s.push(ctx)
	if err != nil {
		return Access{}, err
	}
	return Access{Pull: pull, Push: push, ReadOnly: readOnly}, nil
}

// challenge sends a request without credentials, and returns the address of the
// token endpoint that the registry names.
func (c *Client) challenge(ctx context.Context) (*url.URL, error) {
	a, err := c.do(ctx, opChallenge, http.MethodGet, c.url("/v2/"), nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusUnauthorized {
		return nil, c.unexpected(opChallenge, a)
	}
	params, ok := bearerOf(a.header.Values("WWW-Authenticate"), func(params map[string]string) bool {
		realm, err := url.Parse(params["realm"])
		return err == nil && c.owns(realm)
	})
	if !ok {
		return nil, c.fail(Unexpected, opChallenge, a.status, errors.New("its challenge offers no Bearer token"))
	}
	realm, err := url.Parse(params["realm"])
	if err != nil || !c.owns(realm) {
		where := "no address"
		if err == nil && hostPattern.MatchString(realm.Host) {
			where = realm.Scheme + "://" + realm.Host
		}
		return nil, c.fail(Unexpected, opChallenge, a.status, fmt.Errorf("its challenge leads to another host (%s), to which the token is not sent", where))
	}
	query := realm.Query()
	query.Set("service", params["service"])
	realm.RawQuery = query.Encode()
	return realm, nil
}

// login exchanges the token at the token endpoint for the one to send with
// requests. Some registries check the token and answer with the same one.
// Without a valid login, some issue an anonymous one.
func (c *Client) login(ctx context.Context, realm *url.URL, repository, user string, token credential.Token) (credential.Token, error) {
	target := *realm
	query := target.Query()
	query.Set("account", user)
	query.Set("scope", "repository:"+repository+":pull,push")
	target.RawQuery = query.Encode()
	a, err := c.do(ctx, opLogin, http.MethodGet, &target, func(req *http.Request) {
		req.SetBasicAuth(user, token.Reveal())
	})
	if err != nil {
		return credential.Token{}, err
	}
	switch {
	case a.status == http.StatusOK:
	case c.denies(a):
		return credential.Token{}, c.fail(Refused, opLogin, a.status, a.cause())
	default:
		return credential.Token{}, c.unexpected(opLogin, a)
	}
	switch granted := a.granted(); granted {
	case "":
		return credential.Token{}, c.fail(Unexpected, opLogin, a.status, errors.New("its answer holds no token"))
	case c.dialect.Anonymous:
		// This token is public, so it is not wrapped as a secret.
		return credential.Token{}, c.fail(Refused, opLogin, a.status, errors.New("it takes the login for anonymous"))
	default:
		return credential.NewToken(granted), nil
	}
}

// token is the token in the answer of a token endpoint; the zero Token for none.
func (a answer) token() credential.Token { return credential.NewToken(a.granted()) }

// granted is the text of that token; empty if there is none. A parse error is dropped, because it could quote the token.
func (a answer) granted() string {
	var granted struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(a.body, &granted) != nil {
		return ""
	}
	return cmp.Or(granted.Token, granted.AccessToken)
}

func (c *Client) url(path string) *url.URL {
	return &url.URL{Scheme: "https", Host: c.host, Path: path}
}

// owns reports whether a token may be sent to the address.
func (c *Client) owns(u *url.URL) bool {
	return u.Scheme == "https" && sameHost(u.Host, c.host) && u.User == nil
}

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request. It does not follow redirects: they are returned as answers.
func (c *Client) do(ctx context.Context, o op, method string, target *url.URL, authorize func(*http.Request)) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return answer{}, c.fail(Unexpected, o, 0, errors.New("the address is malformed"))
	}
	if authorize != nil {
		authorize(req)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return answer{}, c.failTransport(ctx, o, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return answer{}, c.failTransport(ctx, o, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// Error codes of the distribution specification that decide something.
const (
	codeDenied        = "DENIED"
	codeNameUnknown   = "NAME_UNKNOWN"
	codeNotFound      = "NOT_FOUND"
	codeNoManifest    = "MANIFEST_UNKNOWN"
	codeUploadInvalid = "BLOB_UPLOAD_INVALID"
	codeUnauthorized  = "UNAUTHORIZED"
	codeUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
)

// codes are all known error codes, of the specification and of its reference implementation (distribution,
// registry/api/errcode/register.go). Only a code in this list is repeated in a message: any other text of an answer may repeat the
// token.
var codes = []string{
	codeNameUnknown, codeNotFound, codeUploadInvalid, codeUploadUnknown, "BLOB_UNKNOWN", codeDenied, "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
	"MANIFEST_INVALID", codeNoManifest, "MANIFEST_UNVERIFIED", "NAME_INVALID", "PAGINATION_NUMBER_INVALID", "RANGE_INVALID",
	"SIZE_INVALID", "TAG_INVALID", "TOOMANYREQUESTS", codeUnauthorized, "UNAVAILABLE", "UNKNOWN", "UNSUPPORTED",
}

// code returns the first known error code of the answer; empty for none. Some registries send codes of their own besides.
func (a answer) code() string {
	var body struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	var odd *json.UnmarshalTypeError
	// A field of another type is left out; the others are read anyway.
	if err := json.Unmarshal(a.body, &body); err != nil && !errors.As(err, &odd) {
		return ""
	}
	for _, one := range body.Errors {
		if i := slices.Index(codes, one.Code); i >= 0 {
			return codes[i]
		}
	}
	return ""
}

// cause returns the error code as an error, or nil.
func (a answer) cause() error {
	if code := a.code(); code != "" {
		return fmt.Errorf("code %s", code)
	}
	return nil
}
