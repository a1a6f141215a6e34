// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Unproven says why a right is not known.
type Unproven string

const (
	// NoRepository: none was named to try the rights on.
	NoRepository Unproven = "NoRepository"
	// RepositoryAbsent: the one that was named does not exist yet.
	RepositoryAbsent Unproven = "RepositoryAbsent"
)

// prove finds out what a login may do at a registry of any kind. A token from the token endpoint proves nothing, because some
// registries issue one to everybody. So the last request decides, and the same request without a login is the control. An answer
// from the shared cache is enough for a yes, and never for a no.
func (c *Client) prove(ctx context.Context, repository, user string, token credential.Token) (Access, error) {
	found, err := c.proveOnce(ctx, repository, user, token)
	if found == (Access{}) && c.mayHaveChanged(err) {
		return c.proveOnce(ctx, repository, user, token)
	}
	return found, err
}

// mayHaveChanged reports whether a failure may come from an outdated answer in the shared cache. If so, it drops what this client
// used of the cache.
func (c *Client) mayHaveChanged(err error) bool {
	var failure *Error
	if errors.As(err, &failure) && !slices.Contains([]Kind{Refused, Unexpected, OtherTokenHost}, failure.Kind) {
		return false
	}
	return c.forget()
}

func (c *Client) proveOnce(ctx context.Context, repository, user string, token credential.Token) (Access, error) {
	w, err := c.findWay(ctx, repository)
	if err != nil {
		return Access{}, err
	}
	if w.open {
		return Access{Pull: true, Anonymous: true, Unproven: NoRepository}, nil
	}
	if repository == "" {
		if err := c.logIn(ctx, w, user, token); err != nil {
			return Access{}, err
		}
		return Access{Unproven: NoRepository}, nil
	}
	t := &trial{Client: c, way: w, repository: repository, user: user, token: token}
	found, err := t.pull(ctx)
	if err != nil {
		return Access{}, err
	}
	if !found.Pull || found.Anonymous || found.Unproven != "" {
		// The trial proved nothing about the login, which may be refused altogether.
		if err := c.logIn(ctx, w, user, token); err != nil {
			return Access{}, err
		}
	}
	if !found.Pull {
		return found, nil
	}
	if found.Unproven != "" && w.realm != nil {
		// Some registries create the repository on a mere request for a token that may push.
		return found, nil
	}
	return t.push(ctx, found)
}

// logIn logs in without asking for a right. Only a clear refusal is an error of the kind Refused.
func (c *Client) logIn(ctx context.Context, w way, user string, token credential.Token) error {
	if w.open {
		return nil
	}
	if w.realm != nil {
		given, err := c.askToken(ctx, w.realm, "", user, asBasic(user, token))
		if err == nil && given.IsZero() {
			err = c.fail(Refused, opLogin, http.StatusUnauthorized, nil)
		}
		return err
	}
	a, err := c.do(ctx, opLogin, http.MethodGet, c.url("/v2/"), asBasic(user, token))
	switch {
	case err != nil:
		return err
	case a.status == http.StatusOK && !a.foreign():
		return nil
	case a.refuses():
		return c.fail(Refused, opLogin, a.status, a.cause())
	default:
		return c.unexpected(opLogin, a)
	}
}

// askToken requests a token, with a scope if there is one. It returns the zero Token if that is refused.
func (c *Client) askToken(ctx context.Context, realm *url.URL, scope, user string, authorize func(*http.Request)) (credential.Token, error) {
	target := *realm
	query := target.Query()
	if authorize != nil {
		query.Set("account", user)
	}
	if scope != "" {
		query.Set("scope", scope)
	}
	target.RawQuery = query.Encode()
	a, err := c.do(ctx, opLogin, http.MethodGet, &target, authorize)
	switch {
	case err != nil:
		return credential.Token{}, err
	case a.refuses():
		return credential.Token{}, nil
	case a.status != http.StatusOK:
		return credential.Token{}, c.unexpected(opLogin, a)
	}
	given := a.token()
	if given.IsZero() {
		return credential.Token{}, c.fail(Unexpected, opLogin, a.status, errors.New("its answer holds no token"))
	}
	return given, nil
}

// refuses reports whether the registry itself refuses. A 400 alone is no refusal, because a gateway answers so too. But some
// registries refuse a login by 400 with the code of a refusal.
func (a answer) refuses() bool {
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return !a.foreign()
	case http.StatusBadRequest:
		code := a.code()
		return code == codeUnauthorized || code == codeDenied
	default:
		return false
	}
}

// lacksRepository reports whether the registry says that the repository does not exist or is empty.
func (a answer) lacksRepository() bool {
	if a.status != http.StatusNotFound {
		return false
	}
	code := a.code()
	return code == codeNameUnknown || code == codeNotFound || code == codeNoManifest
}

// listsTags reports whether the answer is a list of tags. That is a JSON object; anything else with 200 is not from a registry.
func (a answer) listsTags() bool {
	var list struct{}
	return a.status == http.StatusOK && json.Unmarshal(a.body, &list) == nil
}

// trial finds out what one login may do in a repository.
type trial struct {
	*Client
	way        way
	repository string
	user       string
	token      credential.Token
	// both authorizes a request to pull and push, if a token for that was issued already; neverBoth: it was refused.
	both      func(*http.Request)
	neverBoth bool
}

// The actions in the scope of a token.
const (
	toPull = "pull"
	toPush = "pull,push"
)

// with returns a function that authorizes a request for some actions, and false if the registry refuses them. Without login it
// returns the rights that everybody has.
func (t *trial) with(ctx context.Context, actions string, login bool) (authorize func(*http.Request), ok bool, err error) {
	if login {
		authorize = asBasic(t.user, t.token)
	}
	if t.way.realm == nil {
		return authorize, true, nil
	}
	given, err := t.askToken(ctx, t.way.realm, "repository:"+t.repository+":"+actions, t.user, authorize)
	if err != nil || given.IsZero() {
		return nil, false, err
	}
	return asBearer(given), true, nil
}

// pull tries to list the tags, once with the login and once without.
func (t *trial) pull(ctx context.Context) (Access, error) {
	mine, exists, err := t.listMine(ctx)
	if err != nil || !mine {
		return Access{}, err
	}
	everybody, err := t.isPublic(ctx, exists)
	if err != nil {
		return Access{}, err
	}
	// Only those who may read learn that a repository does not exist. If everybody learns it, that proves nothing.
	found := Access{Pull: true, Anonymous: everybody}
	if !exists {
		found.Unproven = RepositoryAbsent
	}
	return found, nil
}

// listMine lists the tags with the login. If the repository is known to exist, it requests a token that may push at once: that cannot
// create it, and the same token serves the trial to push.
func (t *trial) listMine(ctx context.Context) (allowed, exists bool, err error) {
	if t.way.realm != nil && t.seen[t.repository] {
		authorize, ok, err := t.with(ctx, toPush, true)
		if err != nil {
			return false, false, err
		}
		if t.both, t.neverBoth = authorize, !ok; ok {
			if allowed, exists, err = t.listAs(ctx, authorize); err != nil || allowed {
				return allowed, exists, err
			}
		}
	}
	allowed, exists, err = t.list(ctx, true)
	if allowed && exists {
		t.seen[t.repository] = true
	}
	return allowed, exists, err
}

// isPublic reports whether the tags may be listed without a login. It shares the answer only for a repository that exists, because
// one that does not may be created any time.
func (t *trial) isPublic(ctx context.Context, exists bool) (bool, error) {
	if known, asked := t.public[t.repository]; asked {
		return known, nil
	}
	key := t.sharedKey("", t.repository)
	if t.way.realm != nil {
		key.realm = t.way.realm.String()
	}
	if exists {
		if known, found := t.recall(key); found {
			t.public[t.repository] = known.public
			return known.public, nil
		}
	}
	everybody, _, err := t.list(ctx, false)
	if err != nil {
		return false, err
	}
	if exists {
		t.remember(key, sharedAnswer{public: everybody})
	}
	t.public[t.repository] = everybody
	return everybody, nil
}

// list reports whether the tags may be listed, and whether the repository exists.
func (t *trial) list(ctx context.Context, login bool) (allowed, exists bool, err error) {
	authorize, ok, err := t.with(ctx, toPull, login)
	if err != nil || !ok {
		return false, false, err
	}
	return t.listAs(ctx, authorize)
}

func (t *trial) listAs(ctx context.Context, authorize func(*http.Request)) (allowed, exists bool, err error) {
	a, err := t.do(ctx, opPull, http.MethodGet, t.tags(t.repository), authorize)
	switch {
	case err != nil:
		return false, false, err
	case a.listsTags():
		return true, true, nil
	case a.lacksRepository():
		return true, false, nil
	case a.refuses():
		return false, false, nil
	default:
		return false, false, t.unexpected(opPull, a)
	}
}

// push tries to add to an upload that was never begun, as session.push does. Here the upload has an id, because some registries do
// not know the address without one. It is a UUID, the only form that all registries accept.
func (t *trial) push(ctx context.Context, found Access) (Access, error) {
	authorize, ok := t.both, !t.neverBoth
	if authorize == nil && ok {
		var err error
		if authorize, ok, err = t.with(ctx, toPush, true); err != nil {
			return Access{}, err
		}
	}
	if !ok {
		return found, nil
	}
	s := session{Client: t.Client, repository: t.repository, authorize: authorize}
	a, err := s.send(ctx, opPush, http.MethodPatch, t.url("/v2/"+t.repository+"/blobs/uploads/"+uuid.NewString()))
	if err != nil {
		return Access{}, err
	}
	switch {
	case a.lacksRepository():
		found.Unproven = RepositoryAbsent
		return found, nil
	case a.foreign():
		return Access{}, t.unexpected(opPush, a)
	}
	if found.Push, found.ReadOnly, err = s.judgePush(a); err != nil {
		return Access{}, err
	}
	found.Unproven = ""
	return found, nil
}

// tags is the address of a repository's list of tags.
func (c *Client) tags(repository string) *url.URL {
	target := c.url("/v2/" + repository + "/tags/list")
	target.RawQuery = "n=1"
	return target
}
