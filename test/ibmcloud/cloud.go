// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/platform"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// The hosts that serve no region.
const (
	IAMHost                = "iam.cloud.ibm.com"
	ResourceControllerHost = "resource-controller.cloud.ibm.com"
)

// Regions are those that have a registry, with its host (Registry docs, registry_overview.md). The host with private. before
// it leads to the same registry.
var Regions = map[string]string{
	"global": "icr.io", "us-south": "us.icr.io", "au-syd": "au.icr.io", "br-sao": "br.icr.io", "ca-tor": "ca.icr.io",
	"ca-mon": "ca2.icr.io", "eu-de": "de.icr.io", "eu-es": "es.icr.io", "eu-gb": "uk.icr.io", "jp-tok": "jp.icr.io",
	"jp-osa": "jp2.icr.io", "in-che": "in.icr.io", "in-mum": "in2.icr.io",
}

// Options of New. The zero value is a cloud that takes its time, whose answers are those that documents or traces show.
// Where neither does, an option says which answer is simulated.
type Options struct {
	// Clock is the time of the cloud; the real one by default. Certificates are of the real time always.
	Clock clock.PassiveClock
	// Delays are how long what was written takes to be seen; DefaultDelays by default.
	Delays *Delays
	// TokenLife is that of an IAM token, one hour by default, and RegistryTokenLife that of a registry's.
	TokenLife, RegistryTokenLife time.Duration
	// Registry is the program that distribution.Build made, which keeps the images, in the folder Images. Without a program
	// there is a registry that stays empty: it answers whether something is there, and stores nothing.
	Registry, Images string

	// BadLogin is the status of /oauth/token for a bad credential: 400 by default (documents), or 401 (traces).
	BadLogin int
	// RefusedKey is the status of the token endpoint for a bad key: 400 by default, or 401.
	RefusedKey int
	// UnquotedChallenge: challenges have no quotation marks, and a space behind each comma, as cp.icr.io has them.
	UnquotedChallenge bool
	// DeadKey is the status of a key's details by a value that no key has: 404 by default, or 400 with BXNIM0415E.
	DeadKey int
	// ForeignKey is the status of the details of a key that the caller may not read: 403 by default.
	ForeignKey int
	// UsedValue is the status for a key of a value that another has or had: 409 by default.
	UsedValue int
	// LimitReached is the status for a key or a service ID too many: 403 by default, or 409.
	LimitReached int
	// NamespaceRefused is the status for a namespace that is another account's or was deleted just now, and for one too many:
	// 409 by default.
	NamespaceRefused int
	// WholeServiceAlone: who is Administrator of a namespace alone may grant nothing.
	WholeServiceAlone bool
	// NoCreatorRights: who makes a service ID may do nothing with it for that.
	NoCreatorRights bool
}

// Cloud is a running stand-in. Its methods are safe for concurrent use.
type Cloud struct {
	// Address is where it listens, HOST:PORT on loopback, for all names.
	Address string
	// CA is its certificate authority.
	CA *platform.CA
	// ProxyURL is an HTTP proxy that knows CONNECT alone and reaches what DialContext reaches, for programs that are given
	// HTTPS_PROXY.
	ProxyURL *url.URL
	// Journal holds the calls that it was asked, and what goes wrong with them.
	*standin.Journal

	options Options
	clock   clock.PassiveClock
	server  *httptest.Server
	proxy   *tunnels
	signer  *rsa.PrivateKey
	ended   context.Context
	end     context.CancelFunc
	iam     *http.ServeMux
	api     *http.ServeMux

	mu         sync.Mutex
	delays     Delays
	accounts   map[string]*account
	identities map[string]*identity
	keys       []*apiKey
	policies   []*policy
	grants     []*grant
	namespaces map[string]map[string]*namespace
	gone       map[string]time.Time
	quotas     map[string]*Quota
	registries map[string]*distribution.Registry
	exposed    []standin.Call
	shown      map[string]map[string]bool
	last       int
}

// New runs a stand-in until Close.
func New(o Options) *Cloud {
	defaults(&o)
	c := &Cloud{
		options: o, clock: o.Clock, delays: *o.Delays, CA: platform.NewCA("the cloud's CA"),
		accounts: map[string]*account{}, identities: map[string]*identity{}, namespaces: map[string]map[string]*namespace{},
		gone: map[string]time.Time{}, quotas: map[string]*Quota{}, registries: map[string]*distribution.Registry{},
		shown: map[string]map[string]bool{},
	}
	c.Journal = standin.NewJournal(callOf)
	c.ended, c.end = context.WithCancel(context.Background())
	var err error
	if c.signer, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(fmt.Errorf("make the key that signs tokens: %w", err))
	}
	c.routes()
	c.server = httptest.NewUnstartedServer(c)
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.server.Config.BaseContext = func(net.Listener) context.Context { return c.ended }
	c.server.TLS = &tls.Config{Certificates: []tls.Certificate{c.CA.Leaf(Hosts()...)}, MinVersion: tls.VersionTLS12}
	c.server.StartTLS()
	c.Address = c.server.Listener.Addr().String()
	c.proxy = newTunnels(c.DialContext)
	c.ProxyURL = &url.URL{Scheme: "http", Host: c.proxy.address()}
	return c
}

func defaults(o *Options) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Delays == nil {
		o.Delays = &DefaultDelays
	}
	for _, one := range []struct {
		of        *time.Duration
		otherwise time.Duration
	}{{&o.TokenLife, time.Hour}, {&o.RegistryTokenLife, 5 * time.Minute}} {
		if *one.of == 0 {
			*one.of = one.otherwise
		}
	}
	for _, one := range []struct {
		of        *int
		otherwise int
	}{
		{&o.BadLogin, http.StatusBadRequest}, {&o.RefusedKey, http.StatusBadRequest}, {&o.DeadKey, http.StatusNotFound},
		{&o.ForeignKey, http.StatusForbidden}, {&o.UsedValue, http.StatusConflict}, {&o.LimitReached, http.StatusForbidden},
		{&o.NamespaceRefused, http.StatusConflict},
	} {
		if *one.of == 0 {
			*one.of = one.otherwise
		}
	}
}

// Close ends it, with the registries that it started.
func (c *Cloud) Close() {
	c.end()
	c.server.CloseClientConnections()
	c.server.Close()
	c.proxy.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.registries {
		r.Stop()
	}
}

// Hosts are the names that it answers to.
func Hosts() []string {
	hosts := []string{IAMHost, "private." + IAMHost, ResourceControllerHost, "private." + ResourceControllerHost}
	for _, region := range []string{"us-south", "us-east"} {
		hosts = append(hosts, "private."+region+"."+IAMHost)
	}
	for _, host := range Regions {
		hosts = append(hosts, host, "private."+host)
	}
	slices.Sort(hosts)
	return hosts
}

// regionOf is the region whose registry a host leads to.
func regionOf(host string) (region string, known bool) {
	host = strings.TrimPrefix(host, "private.")
	for region, has := range Regions {
		if has == host {
			return region, true
		}
	}
	return "", false
}

// DialContext connects to the stand-in for every name that it answers to, at any port. Another name is not found, as a
// resolver says it.
func (c *Cloud) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	if !slices.Contains(Hosts(), host) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{
			Err: "no such host", Name: host, Server: "ibmcloud", IsNotFound: true,
		}}
	}
	return new(net.Dialer).DialContext(ctx, network, c.Address)
}

// serve answers a request as the host that it is meant for.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r)
	region, registry := regionOf(host)
	switch {
	case r.TLS != nil && r.TLS.ServerName != "" && r.TLS.ServerName != host, !slices.Contains(Hosts(), host):
		http.Error(w, "misdirected request", http.StatusMisdirectedRequest)
	case !registry:
		c.iam.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/v2/"):
		c.serveData(w, r, region)
	default:
		c.api.ServeHTTP(w, r)
	}
}

// hostOf is the host that a request names, without a port.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return r.Host
}
