// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Tokens caches IAM tokens, each until 80 % of its life is over, for the clients of one process. The zero value is ready to use.
// Safe for concurrent use.
type Tokens struct {
	mu      sync.Mutex
	cached  map[place]issued
	running map[place]*exchange
}

// place identifies a token in the cache: by the IAM that issued it, and a digest of the API key.
type place struct {
	iam string
	key [sha256.Size]byte
}

// issued is a token and until when the cache returns it.
type issued struct {
	token credential.Token
	until time.Time
}

// exchange is one running request for a token, for which other callers may wait.
type exchange struct {
	done   chan struct{}
	issued issued
	failed *Error
}

func placeOf(iam string, key credential.Token) place {
	return place{iam: iam, key: sha256.Sum256([]byte(key.Reveal()))}
}

// drop removes a refused token from the cache, unless another has replaced it meanwhile.
func (t *Tokens) drop(at place, refused credential.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cached[at].token.Equal(refused) {
		delete(t.cached, at)
	}
}

// get returns a token from the cache, or requests one. Callers that come while a request runs wait for it and share its result,
// unless its caller gave up: then the next one asks.
func (t *Tokens) get(
	ctx context.Context, at place, now func() time.Time, ask func(context.Context) (issued, *Error), ended func(context.Context) *Error,
) (token credential.Token, cached bool, failure *Error) {
	for {
		if ctx.Err() != nil {
			return credential.Token{}, false, ended(ctx)
		}
		t.mu.Lock()
		if one, found := t.cached[at]; found && now().Before(one.until) {
			t.mu.Unlock()
			return one.token, true, nil
		}
		running := t.running[at]
		if running == nil {
			running = t.begin(at)
			t.mu.Unlock()
			t.lead(ctx, at, running, now, ask)
			return running.issued.token, false, running.failed
		}
		t.mu.Unlock()
		select {
		case <-running.done:
		case <-ctx.Done():
			continue
		}
		if running.failed == nil || running.failed.ended == nil {
			return running.issued.token, false, running.failed
		}
	}
}

// begin registers a request that is about to run.
func (t *Tokens) begin(at place) *exchange {
	if t.running == nil {
		t.running, t.cached = map[place]*exchange{}, map[place]issued{}
	}
	running := &exchange{done: make(chan struct{}), failed: &Error{Kind: Unexpected, ended: errors.New("it was not asked")}}
	t.running[at] = running
	return running
}

// lead runs a request for all who wait for it and caches the token. It removes expired tokens from the cache.
func (t *Tokens) lead(
	ctx context.Context, at place, running *exchange, now func() time.Time, ask func(context.Context) (issued, *Error),
) {
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.running, at)
		maps.DeleteFunc(t.cached, func(_ place, one issued) bool { return !now().Before(one.until) })
		// A failed request left the zero time.
		if now().Before(running.issued.until) {
			t.cached[at] = running.issued
		}
		close(running.done)
	}()
	running.issued, running.failed = ask(ctx)
}

// OpToken is the name of the operation at the token endpoint, for errors.
const OpToken = "exchange the API key for a token"

func (c *Client) place() place { return placeOf(c.endpoints.IAM, c.key) }

// token returns an IAM token for the client's key, and whether it comes from the cache.
func (c *Client) token(ctx context.Context) (token credential.Token, cached bool, failure *Error) {
	ask := func(ctx context.Context) (issued, *Error) { return c.exchange(ctx, c.key) }
	return c.tokens.get(ctx, c.place(), c.clock.Now, ask, request{op: OpToken, base: c.endpoints.IAM}.failEnded)
}

// exchange requests a token from IAM. The request makes nothing, so it may be sent again.
func (c *Client) exchange(ctx context.Context, key credential.Token) (issued, *Error) {
	r := request{op: OpToken, method: http.MethodPost, base: c.endpoints.IAM, path: "/identity/token", anonymous: true}
	if key.IsZero() {
		return issued{}, r.fail(KeyRefused, 0, "there is no API key")
	}
	r.body = []byte(url.Values{
		"grant_type":    {"urn:ibm:params:oauth:grant-type:apikey"},
		"response_type": {"cloud_iam"},
		"apikey":        {key.Reveal()},
	}.Encode())
	begun := c.clock.Now()
	a, failure := c.retried(ctx, r)
	if failure != nil {
		return issued{}, failure
	}
	var wire struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		Expiration  int64  `json:"expiration"`
	}
	if !a.decode(&wire) || wire.AccessToken == "" || !text.Visible(wire.AccessToken) {
		return issued{}, r.fail(Unexpected, a.status, malformed)
	}
	return issued{
		token: credential.NewToken(wire.AccessToken),
		until: begun.Add(usable(begun, wire.Expiration, wire.ExpiresIn)),
	}, nil
}

// usable is for how long the cache returns a token: 80 % of the time until its expiration. expiresIn bounds that time, in case the
// clock here is slow.
func usable(now time.Time, expiration, expiresIn int64) time.Duration {
	lives := time.Duration(expiresIn) * time.Second
	if expiration > 0 {
		left := time.Unix(expiration, 0).Sub(now)
		if lives <= 0 || left < lives {
			lives = left
		}
	}
	return lives / 10 * 8
}

// Account is the identity and the account of an API key.
type Account struct {
	// ID is that of the account, and IAMID that of the user or service ID, such as iam-ServiceId-0f1e....
	ID, IAMID string
}

// Account returns the account of the client's key, from its token. It exchanges the key, unless a token is cached.
func (c *Client) Account(ctx context.Context) (Account, error) {
	token, _, failure := c.token(ctx)
	if failure != nil {
		return Account{}, failure
	}
	var claims struct {
		IAMID   string `json:"iam_id"`
		Account struct {
			BSS string `json:"bss"`
		} `json:"account"`
	}
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) == 3 {
		// IBM's own clients do not verify the signature either: the token came from IAM, over TLS.
		if payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "=")); err == nil {
			_ = json.Unmarshal(payload, &claims)
		}
	}
	if claims.Account.BSS == "" {
		return Account{}, request{op: OpToken, base: c.endpoints.IAM}.fail(Unexpected, 0, "the token does not name an account")
	}
	return Account{ID: claims.Account.BSS, IAMID: claims.IAMID}, nil
}

// Works exchanges a key, which need not be the client's, and does not cache the token. An error of the kind KeyRefused means that the
// key does not work.
func (c *Client) Works(ctx context.Context, key credential.Token) error {
	if _, failure := c.exchange(ctx, key); failure != nil {
		return failure
	}
	return nil
}
