// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Connection is the operator's client of the API server. It reads live.
type Connection struct {
	client.WithWatch
	// API is for requests that are not about an object, and for watches.
	API       rest.Interface
	Occasions *Occasions
	Identity  Identity

	signingKeys signingKeys
	// anonymous is how to reach the API server with no identity at all.
	anonymous *rest.Config
}

// Tuned returns a config without a client-side rate limit, since the API server has priority and fairness, with bounded watches, and
// with tokens redacted from errors.
func Tuned(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.Wrap(boundWatches)
	config.Wrap(redactTokens)
	return config
}

// Connect returns a connection with a tuned config, and a client whose requests notice occasions. It sends nothing.
func Connect(config *rest.Config, options client.Options, occasions *Occasions) (*Connection, error) {
	c := &Connection{Occasions: occasions, anonymous: withoutCredentials(config)}
	var err error
	if c.WithWatch, err = client.NewWithWatch(config, options); err != nil {
		return nil, fmt.Errorf("set up the client: %w", err)
	}
	plain := rest.CopyConfig(config)
	plain.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	if c.API, err = rest.UnversionedRESTClientForConfigAndClient(plain, options.HTTPClient); err != nil {
		return nil, fmt.Errorf("set up the client for watches and keys: %w", err)
	}
	return c, nil
}

// ConnectDirectly is Connect without a manager, and makes a client of its own.
func ConnectDirectly(config *rest.Config) (*Connection, error) {
	config = Tuned(config)
	occasions := &Occasions{}
	http, err := rest.HTTPClientFor(occasions.Noticing(config))
	if err != nil {
		return nil, fmt.Errorf("set up the client: %w", err)
	}
	mapper, err := RESTMapper(config, http)
	if err != nil {
		return nil, fmt.Errorf("set up the client: %w", err)
	}
	return Connect(config, client.Options{HTTPClient: http, Scheme: NewScheme(), Mapper: mapper}, occasions)
}

// Username returns the operator's own user name.
func (c *Connection) Username(ctx context.Context) (string, error) {
	return c.Identity.Username(ctx, c)
}

// Refuses reports whether the API server refuses a token, by a SelfSubjectReview with that token alone. Only a clear refusal counts.
func (c *Connection) Refuses(ctx context.Context, token credential.Token) (bool, error) {
	config := rest.CopyConfig(c.anonymous)
	config.BearerToken = token.Reveal()
	asToken, err := client.New(config, client.Options{Scheme: c.Scheme(), Mapper: c.RESTMapper()})
	if err != nil {
		return false, fmt.Errorf("prepare to ask the API server about a token: %w", err)
	}
	err = asToken.Create(ctx, &authenticationv1.SelfSubjectReview{})
	if apierrors.IsUnauthorized(err) {
		return true, nil
	}
	if err != nil && !apierrors.IsForbidden(err) {
		return false, fmt.Errorf("ask the API server about a token: %w", err)
	}
	return false, nil
}

// withoutCredentials is a config for the same API server that carries no identity.
func withoutCredentials(config *rest.Config) *rest.Config {
	anonymous := rest.AnonymousClientConfig(config)
	anonymous.WrapTransport = config.WrapTransport
	return anonymous
}
