// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// way is how a registry takes logins.
type way struct {
	// realm is the token endpoint; nil if requests carry the login itself.
	realm *url.URL
	// open: the registry needs no login.
	open bool
}

// wellKnown are registries whose token endpoint is on another host of the same provider.
var wellKnown = map[string]string{"registry.gitlab.com": "gitlab.com"}

// hostPattern is the form of a host that a message may repeat.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$`)

// offer is how a registry answers a request without a login.
type offer struct {
	status     int
	challenges []challenge
	// open: nobody has to log in.
	open bool
}

// findWay finds how the registry takes a login. Its root says so. If that is open to everybody, the repository does, if there is one.
func (c *Client) findWay(ctx context.Context, repository string) (way, error) {
	found, err := c.findOffer(ctx, "", c.recallRoot)
	if err == nil && found.open && repository != "" {
		found, err = c.findOffer(ctx, repository, func(ctx context.Context) (offer, error) { return c.askRepository(ctx, repository) })
	}
	if err != nil {
		return way{}, err
	}
	return c.choose(found)
}

// findOffer asks once for each repository.
func (c *Client) findOffer(ctx context.Context, repository string, ask func(context.Context) (offer, error)) (offer, error) {
	if known, asked := c.offers[repository]; asked {
		return known, nil
	}
	found, err := ask(ctx)
	if err == nil {
		c.offers[repository] = found
	}
	return found, err
}

// recallRoot returns the root's offer from the shared cache, or asks for it.
func (c *Client) recallRoot(ctx context.Context) (offer, error) {
	if known, found := c.recall(c.sharedKey("", "")); found {
		return known.offer, nil
	}
	return c.askRoot(ctx)
}

func (c *Client) askRoot(ctx context.Context) (offer, error) {
	a, err := c.do(ctx, opChallenge, http.MethodGet, c.url("/v2/"), nil)
	if err != nil {
		return offer{}, err
	}
	found := offer{status: a.status, challenges: parseChallenges(a.header.Values("WWW-Authenticate"))}
	switch {
	case a.status == http.StatusOK && a.foreign():
		return offer{}, c.fail(Unexpected, opChallenge, a.status, errors.New("a page of the web"))
	case a.status == http.StatusOK && len(found.challenges) == 0:
		// Such a registry may get no further request, so the answer would never be checked: do not share it.
		found.open = true
		return found, nil
	case a.status == http.StatusOK, a.status == http.StatusUnauthorized:
		// Some registries send a challenge with 200 too.
		c.remember(c.sharedKey("", ""), sharedAnswer{offer: found})
		return found, nil
	default:
		return offer{}, c.elsewhere(opChallenge, a)
	}
}

func (c *Client) askRepository(ctx context.Context, repository string) (offer, error) {
	a, err := c.do(ctx, opChallenge, http.MethodGet, c.tags(repository), nil)
	switch {
	case err != nil:
		return offer{}, err
	case a.listsTags() || a.lacksRepository():
		return offer{status: a.status, open: true}, nil
	case a.status == http.StatusUnauthorized:
		return offer{status: a.status, challenges: parseChallenges(a.header.Values("WWW-Authenticate"))}, nil
	default:
		return offer{}, c.elsewhere(opChallenge, a)
	}
}

// choose picks Bearer if the registry offers it with a realm that may get the login, and Basic otherwise.
func (c *Client) choose(from offer) (way, error) {
	if from.open {
		return way{open: true}, nil
	}
	var refusal error
	basic := false
	for _, offered := range from.challenges {
		switch offered.scheme {
		case "bearer":
			realm, err := c.realmOf(from.status, offered.params)
			if err == nil {
				return way{realm: realm}, nil
			}
			refusal = err
		case "basic":
			basic = true
		}
	}
	switch {
	case basic:
		return way{}, nil
	case refusal != nil:
		return way{}, refusal
	default:
		return way{}, c.fail(Unexpected, opChallenge, from.status, errors.New("its challenge offers neither Bearer nor Basic"))
	}
}

// realmOf returns the token endpoint of a challenge, if the login may be sent there: over TLS, to the registry's own host or to one
// that was named for it.
func (c *Client) realmOf(status int, params map[string]string) (*url.URL, error) {
	realm, err := url.Parse(params["realm"])
	switch {
	case err != nil || realm.Host == "" || !hostPattern.MatchString(realm.Host):
		return nil, c.fail(Unexpected, opChallenge, status, errors.New("its challenge names no address where tokens are given"))
	case realm.User != nil:
		return nil, c.fail(Unexpected, opChallenge, status, errors.New("its challenge leads to an address with a user, to which no login is sent"))
	case realm.Scheme != "https":
		return nil, c.fail(Unexpected, opChallenge, status, errors.New("its challenge leads to an address without TLS, to which no login is sent"))
	case sameHost(realm.Host, c.host):
	case isInside(realm.Hostname()):
		return nil, c.fail(Unexpected, opChallenge, status, errors.New("its challenge leads to a private address, to which no login is sent"))
	case !c.mayGiveTokens(realm.Host):
		return nil, c.fail(OtherTokenHost, opChallenge, status, errors.New(realm.Host))
	}
	query := realm.Query()
	if service := params["service"]; service != "" {
		query.Set("service", service)
	}
	realm.RawQuery = query.Encode()
	return realm, nil
}

func (c *Client) mayGiveTokens(host string) bool {
	named := append(slices.Clone(c.dialect.TokenHosts), wellKnown[strings.ToLower(c.host)])
	return slices.ContainsFunc(named, func(name string) bool { return name != "" && sameHost(name, host) })
}

// sameHost compares hosts with their ports. A missing port is 443.
func sameHost(a, b string) bool { return WithPort(a) == WithPort(b) }

// WithPort normalises a host or host:port: with its port and in lower case, so that equal hosts compare as equal.
func WithPort(host string) string {
	host = strings.ToLower(host)
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "443")
}

// isInside reports an address that is private, so that it can be another machine for each client.
func isInside(name string) bool {
	address, err := netip.ParseAddr(name)
	return err == nil && (address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified())
}

// elsewhere is unexpected, and names the host that a redirect leads to. It is only for requests without a login, whose answers cannot
// repeat one.
func (c *Client) elsewhere(o op, a answer) *Error {
	failure := c.unexpected(o, a)
	if a.status < 300 || a.status > 399 {
		return failure
	}
	target, err := url.Parse(a.header.Get("Location"))
	if err == nil && hostPattern.MatchString(target.Host) {
		failure.Err = fmt.Errorf("it leads to %s, and redirects are not followed", target.Host)
	}
	return failure
}

// apiVersion is a header of every answer of the reference implementation. A registry with the dialect AnyRepository sends it from its
// token endpoint too.
const apiVersion = "Docker-Distribution-Api-Version"

// marked reports whether an answer comes from a registry: it has apiVersion or a known error code, which no firewall, proxy or router
// sends.
func (a answer) marked() bool { return a.header.Get(apiVersion) != "" || a.code() != "" }

// denies reports whether the registry itself, and no gateway before it, refuses a request. If the registry is known to mark its
// answers, only a marked one counts.
func (c *Client) denies(a answer) bool {
	if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
		return false
	}
	if c.dialect.AnyRepository {
		return a.marked()
	}
	return !a.foreign()
}

// foreign reports whether an answer does not come from a registry, such as the page of a firewall. A web server that asks for the
// login on behalf of a registry sends HTML too, but with a challenge.
func (a answer) foreign() bool {
	kind := strings.ToLower(a.header.Get("Content-Type"))
	return strings.HasPrefix(kind, "text/html") && a.header.Get(apiVersion) == "" && a.header.Get("WWW-Authenticate") == ""
}
