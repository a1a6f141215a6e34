// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

// Key is an API key without its value. Times are in UTC, and zero if IBM Cloud does not return them.
type Key struct {
	// ID begins with ApiKey-. IAMID is whose key it is, and CreatedBy the IAM id of who made it.
	ID, Name, Description, IAMID, AccountID, CreatedBy string
	// Locked: it can be neither changed nor deleted. Disabled: it does not work for now.
	Locked, Disabled                 bool
	CreatedAt, ModifiedAt, ExpiresAt time.Time
	// LastAuthn is when a token was last issued for it. Only KeyActivity returns it.
	LastAuthn time.Time
}

type wireKey struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	IAMID       string `json:"iam_id"`
	AccountID   string `json:"account_id"`
	CreatedBy   string `json:"created_by"`
	Locked      bool   `json:"locked"`
	Disabled    bool   `json:"disabled"`
	CreatedAt   stamp  `json:"created_at"`
	ModifiedAt  stamp  `json:"modified_at"`
	ExpiresAt   stamp  `json:"expires_at"`
	Activity    struct {
		LastAuthn stamp `json:"last_authn"`
	} `json:"activity"`
}

// key returns the key, and false if there is none or if its expiry or last use cannot be read: that is not the same as no expiry and
// no use.
func (w wireKey) key() (Key, bool) {
	return Key{
		ID: w.ID, Name: w.Name, Description: w.Description, IAMID: w.IAMID, AccountID: w.AccountID, CreatedBy: w.CreatedBy,
		Locked: w.Locked, Disabled: w.Disabled,
		CreatedAt: w.CreatedAt.at, ModifiedAt: w.ModifiedAt.at, ExpiresAt: w.ExpiresAt.at, LastAuthn: w.Activity.LastAuthn.at,
	}, w.ID != "" && !w.ExpiresAt.malformed && !w.Activity.LastAuthn.malformed
}

// DescribeKey returns the key with a value. If there is none the error is of the kind NotFound.
func (c *Client) DescribeKey(ctx context.Context, value credential.Token) (Key, error) {
	r := c.iam("find an API key by its value", http.MethodGet).at("/v1/apikeys/details")
	revealed := value.Reveal()
	if revealed == "" || !text.Visible(revealed) {
		return Key{}, r.fail(NotFound, 0, "no API key looks like that")
	}
	r.header = http.Header{}
	r.header.Set("IAM-ApiKey", revealed) // net/http writes it Iam-Apikey, which is the same.
	key, err := c.oneKey(ctx, r)
	var failure *Error
	// The token endpoint uses the same code for the client's own key.
	if errors.As(err, &failure) && failure.Operation == r.op && failure.Code == unknownKey {
		failure.Kind = NotFound
	}
	return key, err
}

// Keys lists the API keys of an identity.
func (c *Client) Keys(ctx context.Context, account, iamID string) ([]Key, error) {
	r := c.iam("list API keys", http.MethodGet).at("/v1/apikeys").about(account, iamID)
	r.query = url.Values{"account_id": {account}, "iam_id": {iamID}}
	return c.keys(ctx, r)
}

func (c *Client) keys(ctx context.Context, r request) ([]Key, error) {
	var found []Key
	err := c.identities(ctx, r, func(page identityPage) bool {
		listed, ok := items[wireKey](page.Keys)
		for _, one := range listed {
			key, known := one.key()
			found, ok = append(found, key), ok && known
		}
		return ok
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// AccountKeys lists the API keys of all service IDs of an account that the client's key may see.
func (c *Client) AccountKeys(ctx context.Context, account string) ([]Key, error) {
	r := c.iam("list API keys", http.MethodGet).at("/v1/apikeys").about(account)
	r.query = url.Values{"account_id": {account}, "scope": {"account"}, "type": {"serviceid"}}
	return c.keys(ctx, r)
}

// KeyActivity returns a key by its id, and when it was last used.
func (c *Client) KeyActivity(ctx context.Context, id string) (Key, error) {
	r := c.iam("read an API key", http.MethodGet).at("/v1/apikeys/%s", id)
	r.query = url.Values{"include_activity": {"true"}}
	return c.oneKey(ctx, r)
}

// NewKey describes an API key to create. The caller chooses its value, so that DescribeKey finds it if the reply is lost.
type NewKey struct {
	Name, Description string
	// IAMID is whose key it will be: iam-ServiceId-..., not ServiceId-....
	IAMID, AccountID string
	// Value has at least 32 characters.
	Value credential.Token
	// ExpiresAt is until when it works, cut to the minute; zero for no end.
	ExpiresAt time.Time
}

// CreateKey creates an API key. IAM does not return its value again, and disables it if it is found in public. It is sent once: after
// any error but Forbidden, Unauthorized, KeyRefused, Limit and Busy it may exist.
func (c *Client) CreateKey(ctx context.Context, k NewKey) (Key, error) {
	r := c.iam("create an API key", http.MethodPost).at("/v1/apikeys").about(k.AccountID, k.IAMID)
	r.creates = true
	r.body = struct {
		Name             string `json:"name"`
		IAMID            string `json:"iam_id"`
		AccountID        string `json:"account_id"`
		Description      string `json:"description,omitempty"`
		Value            string `json:"apikey"`
		StoreValue       bool   `json:"store_value"`
		ActionWhenLeaked string `json:"action_when_leaked"`
		ExpiresAt        string `json:"expires_at,omitempty"`
	}{
		k.Name, k.IAMID, k.AccountID, k.Description, k.Value.Reveal(), false, "disable", writeStamp(k.ExpiresAt),
	}
	if k.Value.IsZero() {
		return Key{}, r.fail(Unexpected, 0, "the API key has no value")
	}
	return c.oneKey(ctx, r)
}

func (c *Client) oneKey(ctx context.Context, r request) (Key, error) {
	var wire wireKey
	if err := c.read(ctx, r, &wire); err != nil {
		return Key{}, err
	}
	key, ok := wire.key()
	if !ok {
		return Key{}, r.fail(Unexpected, 0, malformed)
	}
	return key, nil
}

// DisableKey disables a key: it gets no more tokens. Tokens that it got before work for up to an hour.
func (c *Client) DisableKey(ctx context.Context, id string) error {
	return c.send(ctx, c.iam("disable an API key", http.MethodPost).at("/v1/apikeys/%s/disable", id))
}

// EnableKey undoes DisableKey.
func (c *Client) EnableKey(ctx context.Context, id string) error {
	return c.send(ctx, c.iam("enable an API key", http.MethodDelete).at("/v1/apikeys/%s/disable", id))
}

// UnlockKey unlocks a key, so that it can be deleted. An absent one is no error.
func (c *Client) UnlockKey(ctx context.Context, id string) error {
	return c.remove(ctx, c.iam("unlock an API key", http.MethodDelete).at("/v1/apikeys/%s/lock", id))
}

// DeleteKey deletes a key. With NotFound it may be gone: a list shows it.
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return c.send(ctx, c.iam("delete an API key", http.MethodDelete).at("/v1/apikeys/%s", id))
}

// KeyLimit is how many API keys an identity of an account may have; 0 if unknown.
func (c *Client) KeyLimit(ctx context.Context, account string) (int, error) {
	var limits struct {
		Keys keyLimit `json:"apikeys_per_identity"`
	}
	err := c.read(ctx, c.iam("read the limits of the account", http.MethodGet).at("/v1/accounts/%s/limits/identity", account), &limits)
	if KindOf(err) == NotFound {
		return 0, nil
	}
	return int(limits.Keys), err
}

// keyLimit is a number, or an object with the number as limit.
type keyLimit int

// UnmarshalJSON implements json.Unmarshaler. Any other form means that no limit is known.
func (l *keyLimit) UnmarshalJSON(data []byte) error {
	var object struct{ Limit int }
	var number int
	if json.Unmarshal(data, &number) != nil && json.Unmarshal(data, &object) == nil {
		number = object.Limit
	}
	*l = keyLimit(number)
	return nil
}
