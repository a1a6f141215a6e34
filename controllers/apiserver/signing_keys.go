// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// signingKeys is what the API server publishes about the tokens that it accepts: its issuer, and the public keys. Every service
// account may read both, by the ClusterRole system:service-account-issuer-discovery that Kubernetes binds for all of them
// (https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery).
//
// The operator's own token is renewed all the time. So if a key is removed a day after its successor was added, the operator is
// never refused, but every earlier token is dead.
type signingKeys struct {
	mu   sync.Mutex
	last string
}

// CompareSigningKeys makes all tokens be reviewed when the API server's keys or its issuer have changed. The API server reads them
// when it starts, so this is called whenever a watch had to start over.
func (c *Connection) CompareSigningKeys(ctx context.Context) {
	known := &c.signingKeys
	known.mu.Lock()
	defer known.mu.Unlock()
	now, err := c.readSigningKeys(ctx)
	if err != nil {
		logf.FromContext(ctx).V(1).Info("The keys of the API server's tokens could not be read", "cause", err.Error())
		return
	}
	changed := known.last != "" && known.last != now
	known.last = now
	if changed {
		logf.FromContext(ctx).Info("The API server's keys or its issuer changed: all tokens are reviewed")
		c.Occasions.add()
	}
}

// readSigningKeys returns the issuer and the keys as one string. The rest of the discovery document depends on the server that
// answers.
func (c *Connection) readSigningKeys(ctx context.Context) (string, error) {
	discovery, err := c.API.Get().AbsPath("/.well-known/openid-configuration").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	var server struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(discovery, &server); err != nil {
		return "", fmt.Errorf("the discovery document is not JSON: %w", err)
	}
	keys, err := c.SigningKeys(ctx)
	return server.Issuer + "\n" + string(keys), err
}

// SigningKeys are the public keys of the API server's tokens, as a JSON Web Key Set.
func (c *Connection) SigningKeys(ctx context.Context) ([]byte, error) {
	return c.API.Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
}
