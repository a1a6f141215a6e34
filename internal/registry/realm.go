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
	// realm is where tokens are given for a login; nil where requests carry the login itself.
	realm *url.URL
	// open: the registry asks nobody for a login.
	open bool
}

// wellKnown are registries whose tokens another host of the same house gives.
var wellKnown = map[string]string{"registry.gitlab.com": "gitlab.com"}

// hostPattern is what a host may look like to be shown in a message.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$`)

// offer is what a registry says of logins to whoever shows none.
type offer struct {
	status     int
	challenges []challenge
	// open: nobody has to log in.
	open bool
}

// findWay finds how the registry takes a login: as it says at its root, or where that is open to everybody, at the repository,
// if there is one.
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

// findOffer asks once.
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

// recallRoot asks at the root unless somebody was told lately.
func (c *Client) recallRoot(ctx context.Context) (offer, error) {
	if known, told := c.recall(c.sharedKey("", "")); told {
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
		// Of such a registry nothing more may be asked, so that this is not for others.
		found.open = true
		return found, nil
	case a.status == http.StatusOK, a.status == http.StatusUnauthorized:
		// Some registries say how to log in also where nobody has to.
		c.tell(c.sharedKey("", ""), sharedAnswer{offer: found})
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

// choose takes a token where the registry offers one and its realm may be asked, and otherwise the login itself.
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

// realmOf returns where a token is given, if a login may be sent there: to the registry itself, or over TLS to a host that
// was named for it.
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

// sameHost compares hosts with their ports, of which that of HTTPS may be left out.
func sameHost(a, b string) bool { return WithPort(a) == WithPort(b) }

// WithPort normalises a host or host:port: with its port and in lower case, so that equal hosts compare as equal.
func WithPort(host string) string {
	host = strings.ToLower(host)
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "443")
}

// isInside reports an address that means another machine to everybody.
func isInside(name string) bool {
	address, err := netip.ParseAddr(name)
	return err == nil && (address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified())
}

// elsewhere is an answer that is neither yes nor no, and says where it leads if it is a redirect. It is for requests without
// a login, whose answer can repeat none.
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

// apiVersion is what the reference implementation names in every answer, and so does a registry of the dialect AnyRepository, in
// those of its token endpoint too.
const apiVersion = "Docker-Distribution-Api-Version"

// marked reports an answer with a mark that the reference implementation leaves, and no firewall, proxy or router does.
func (a answer) marked() bool { return a.header.Get(apiVersion) != "" || a.code() != "" }

// denies reports a refusal of a request, by the registry and not by what stands before it: of a registry that is known to mark
// its answers, only a marked one is.
func (c *Client) denies(a answer) bool {
	if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
		return false
	}
	if c.dialect.AnyRepository {
		return a.marked()
	}
	return !a.foreign()
}

// foreign reports an answer that is no registry's, such as the page of a firewall. A web server that asks for the login in
// the place of a registry does so in HTML, too, but says how to log in.
func (a answer) foreign() bool {
	kind := strings.ToLower(a.header.Get("Content-Type"))
	return strings.HasPrefix(kind, "text/html") && a.header.Get(apiVersion) == "" && a.header.Get("WWW-Authenticate") == ""
}
