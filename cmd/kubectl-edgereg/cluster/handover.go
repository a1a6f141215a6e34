// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

// Handover is the content of a Secret, as far as it agrees with the status of its EdgeRegistry. An admin of the namespace can
// write into the Secret but not into the status, so host, prefix and CA are those of the status.
type Handover struct {
	// Namespace and Name are those of the Secret that was read.
	Namespace, Name string
	// Host, Prefix and Project are those of every image.
	Host, Prefix, Project string
	User                  string
	Token                 credential.Token
	// RegistryAuth is HZN_REGISTRY_AUTH; absent where hzn would misread it.
	RegistryAuth credential.Token
	// CA is ca.crt; empty where public CAs verify the host.
	CA []byte
	// CanPush is true of the publish Secret.
	CanPush bool
}

// Handover reads the Secret of a role, or its copy in a namespace if one is given.
func (c *Cluster) Handover(ctx context.Context, edge *edgev1.EdgeRegistry, role edgev1.SecretRole, namespace string) (*Handover, error) {
	at, err := placeOf(edge, role)
	if err != nil {
		return nil, err
	}
	if namespace != "" {
		at.Namespace = namespace
	}
	var secret corev1.Secret
	if err := c.client.Get(ctx, at, &secret); err != nil {
		return nil, explain(err, right{
			verb: "get", what: fmt.Sprintf("the Secret %s in the namespace %s", at.Name, at.Namespace),
			ask:     "have who administers that namespace bind a role to you there that may get it, such as edit",
			instead: fmt.Sprintf("`kubectl edgereg status %s` shows all but the login", edge.Name),
		})
	}
	h, err := agree(edge, role, secret.Data)
	if err != nil {
		return nil, because(ErrDisagrees, "the Secret %s in the namespace %s is not used: %v. The operator repairs what was altered: "+
			"`kubectl edgereg why %s` shows whether it does", at.Name, at.Namespace, err, edge.Name)
	}
	h.Namespace, h.Name = at.Namespace, at.Name
	return h, nil
}

// placeOf is where the status says that a Secret is.
func placeOf(edge *edgev1.EdgeRegistry, role edgev1.SecretRole) (client.ObjectKey, error) {
	for _, s := range edge.Status.Secrets {
		if s.Role == role && edge.Status.Host != "" && edge.Status.ImagePrefix != "" {
			return client.ObjectKey{Namespace: s.Namespace, Name: s.Name}, nil
		}
	}
	if external := edge.Spec.External; role == edgev1.SecretPublish && external != nil && external.Publisher == nil {
		return client.ObjectKey{}, because(ErrNotFound, "the EdgeRegistry %s has no login that pushes: spec.external.publisher is not set", edge.Name)
	}
	return client.ObjectKey{}, because(ErrNotYet, "the operator has not published the Secrets of %s yet: `kubectl edgereg why %s` says why", edge.Name, edge.Name)
}

// agree takes from the data of a Secret what the status bears out. Its errors name keys and show no value.
func agree(edge *edgev1.EdgeRegistry, role edgev1.SecretRole, data map[string][]byte) (*Handover, error) {
	host, prefix := edge.Status.Host, edge.Status.ImagePrefix
	project := strings.TrimPrefix(strings.TrimPrefix(prefix, host), "/")
	if handoff.ImagePrefix(host, project) != prefix {
		return nil, fmt.Errorf("status.imagePrefix does not begin with status.host")
	}
	for key, want := range map[string]string{handoff.KeyHost: host, handoff.KeyImagePrefix: prefix, handoff.KeyProject: project} {
		if string(data[key]) != want {
			return nil, fmt.Errorf("its %s is not what the status of the EdgeRegistry says", key)
		}
	}
	h := &Handover{Host: host, Prefix: prefix, Project: project, User: string(data[handoff.KeyUser]), CanPush: role == edgev1.SecretPublish}
	token, ok := handoff.Token(data)
	if !ok {
		return nil, fmt.Errorf("%s and %s do not hold one and the same token", handoff.KeyToken, handoff.KeyDockerConfigJSON)
	}
	h.Token = token
	if err := (handoff.Login{User: h.User, Token: token}).Check(); err != nil {
		return nil, fmt.Errorf("its %s or %s cannot be a login: %w", handoff.KeyUser, handoff.KeyToken, err)
	}
	if err := h.takeRegistryAuth(data); err != nil {
		return nil, err
	}
	ca, err := takeCA(edge.Status.CA, data)
	h.CA = ca
	return h, err
}

// takeRegistryAuth takes the login that `hzn -r` gives to every node, which must not be one that pushes.
func (h *Handover) takeRegistryAuth(data map[string][]byte) error {
	auth, there := data[handoff.KeyRegistryAuth]
	if !there {
		return nil
	}
	rest, ofHost := strings.CutPrefix(string(auth), h.Host+":")
	user, token, ok := strings.Cut(rest, ":")
	login := handoff.Login{User: user, Token: credential.NewToken(token)}
	switch {
	case !ofHost || !ok || login.Check() != nil:
		return fmt.Errorf("its %s is no login for the host of the status", handoff.KeyRegistryAuth)
	case h.CanPush && login.Token.Equal(h.Token):
		return fmt.Errorf("its %s, which every node can read in the Exchange, holds the token that can push", handoff.KeyRegistryAuth)
	case !h.CanPush && (user != h.User || !login.Token.Equal(h.Token)):
		return fmt.Errorf("its %s is another login than %s and %s", handoff.KeyRegistryAuth, handoff.KeyUser, handoff.KeyToken)
	}
	h.RegistryAuth = credential.NewToken(string(auth))
	return nil
}

// takeCA takes ca.crt if each of its certificates is one that the operator put there.
func takeCA(ca *edgev1.CAStatus, data map[string][]byte) ([]byte, error) {
	bundle, there := data[handoff.KeyCA]
	switch {
	case ca == nil && !there:
		return nil, nil
	case ca == nil:
		return nil, fmt.Errorf("it has a %s, and the status says that public CAs verify the host", handoff.KeyCA)
	}
	bundle, err := handoff.Certificates(bundle)
	if err != nil {
		return nil, fmt.Errorf("its %s cannot be used: %w", handoff.KeyCA, err)
	}
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if !slices.Contains(ca.Certificates, fmt.Sprintf("%x", sha256.Sum256(block.Bytes))) {
			return nil, fmt.Errorf("its %s holds a certificate that the operator did not put there (it is not in status.ca.certificates)", handoff.KeyCA)
		}
	}
	return bundle, nil
}
