// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package registry asks an image registry what a token may do, the way docker
// would: over its host, with nothing but the token.
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

// ProbeRepository is the repository of a project that a probe asks for. It need not
// exist, and asking does not create it.
const ProbeRepository = "edge-registry-probe"

// maxBody is how many bytes of an answer are read.
const maxBody = 64 << 10

// Dialect is what has to be known of how a registry answers.
type Dialect struct {
	// Anonymous is the token that the registry gives to whom it does not know; empty where it gives none.
	Anonymous string
	// AnyRepository: the registry may be asked about a repository of any name below a project, which leaves no trace, and has
	// tokens given by itself alone. Others are asked about a repository that is named, since to ask may make it, and by the
	// form of login that they ask for.
	AnyRepository bool
	// TokenHosts are further hosts, as host or host:port, that a login may be sent to for a token.
	TokenHosts []string
}

// Client is a client of one registry, for one probe of some logins. Not safe for concurrent use.
type Client struct {
	host      string
	transport http.RoundTripper
	dialect   Dialect
	// Advice is what to do about each kind of failure of this registry. Where it says nothing, what is true of every registry
	// is said.
	Advice map[Kind]string
	// Shown is what people call what it logs in with, such as key; empty for token.
	Shown string

	// offers is how the registry takes logins, by what was asked for without one: itself, or a repository. public is which
	// repositories it shows to everybody, and seen which a login was shown. All are the same for every login that the client
	// tries, so they are asked for once.
	offers       map[string]offer
	public, seen map[string]bool

	// shared is what others were told by now, of whom those count who trust the same, and recalled what the client used of that.
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
	// Anonymous means that who shows no login may pull too, so that the pull proves nothing of the token.
	Anonymous bool `json:"anonymous,omitempty"`
	// Unproven is why a right was not tried, or why the trial told nothing. The token itself was accepted.
	Unproven Unproven `json:"unproven,omitempty"`
}

// Probe logs in and finds out what the token may do with the images of a project, or, if the dialect needs a named repository, with
// those of one; without one, it only logs in. It stores nothing in the registry and begins no
// upload. An error is an *Error and means that there is no answer, never that the answer is no.
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

// challenge asks for the registry without credentials, and returns the address
// where it says tokens are given.
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

// login trades the token for the one to send with requests. Some registries answer
// with the very same token, but only after it has checked it; without a login it
// gives the anonymous one to everybody.
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
		// A word that everybody knows is no secret.
		return credential.Token{}, c.fail(Refused, opLogin, a.status, errors.New("it takes the login for anonymous"))
	default:
		return credential.NewToken(granted), nil
	}
}

// token is what the answer of a token endpoint gives; none where it gives none.
func (a answer) token() credential.Token { return credential.NewToken(a.granted()) }

// granted is the text of that token. That it could not be read is no cause to show: the cause could quote the token.
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

// answer is a response of which everything is read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request. Redirects are not followed: they are answers.
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

// codes are all that are known, of the specification and of its reference implementation (distribution,
// registry/api/errcode/register.go). Nothing else of an answer reaches a message, and of these the words of this list: a
// stranger could write anything in the place of a code, and a body could repeat the token.
var codes = []string{
	codeNameUnknown, codeNotFound, codeUploadInvalid, codeUploadUnknown, "BLOB_UNKNOWN", codeDenied, "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
	"MANIFEST_INVALID", codeNoManifest, "MANIFEST_UNVERIFIED", "NAME_INVALID", "PAGINATION_NUMBER_INVALID", "RANGE_INVALID",
	"SIZE_INVALID", "TAG_INVALID", "TOOMANYREQUESTS", codeUnauthorized, "UNAVAILABLE", "UNKNOWN", "UNSUPPORTED",
}

// code returns the first error code of the answer that is known, or nothing if none is: a registry may give several, one of
// them its own.
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
	for _, told := range body.Errors {
		if i := slices.Index(codes, told.Code); i >= 0 {
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
