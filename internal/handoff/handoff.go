// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package handoff turns a registry's host, its tokens and its CA into the data
// of the two Secrets that pipelines and edge nodes use as they are.
package handoff

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Keys of both Secrets. "Its login" is the publisher's in the publish Secret and
// the puller's in the pull Secret.
const (
	// KeyDockerConfigJSON holds its login for Docker, Podman, Skopeo, Tekton and
	// imagePullSecrets: {"auths":{HOST:{"auth"}}}.
	KeyDockerConfigJSON = ".dockerconfigjson"
	// KeyHost holds the DNS name of the registry, with its port where that is not the usual one.
	KeyHost = "OCP_DOCKER_HOST"
	// KeyProject holds what comes between host and name of each image.
	KeyProject = "OCP_PROJECT"
	// KeyUser holds the user name of its login.
	KeyUser = "OCP_USER"
	// KeyToken holds the token of its login.
	KeyToken = "OCP_TOKEN"
	// KeyImagePrefix holds HOST/PROJECT, what every image name begins with.
	KeyImagePrefix = "IMAGE_PREFIX"
	// KeyRegistryAuth holds HOST:PULL-USER:PULL-TOKEN for "hzn exchange service publish -r".
	// It is the puller's in both Secrets, because every node can read it in the Exchange. It is absent if the host has a port,
	// because hzn would split it at the port's ":".
	KeyRegistryAuth = "HZN_REGISTRY_AUTH"
	// KeyCA holds the PEM certificates that certs.d/HOST/ca.crt needs. It is absent if public CAs verify the host.
	KeyCA = "ca.crt"
)

// Keys of both Secrets under the names that libraries for service bindings look
// for (servicebinding.io/spec/core/1.1.0, "Well-known Secret Entries").
const (
	// KeyType holds what is bound: bindingType.
	KeyType = "type"
	// KeyProvider holds who provides it, by the name of the field in the spec.
	KeyProvider = "provider"
	// KeyBindingHost holds the DNS name of the registry.
	KeyBindingHost = "host"
	// KeyBindingPort holds the port of the registry: bindingPort.
	KeyBindingPort = "port"
	// KeyURI holds https://HOST.
	KeyURI = "uri"
	// KeyUsername holds the user name of its login.
	KeyUsername = "username"
	// KeyPassword holds the token of its login.
	KeyPassword = "password"
)

const (
	bindingType = "container-registry"
	// bindingPort is the default port of HTTPS.
	bindingPort = "443"
)

// Keys of the pull Secret alone.
const (
	// KeyEdgeClusterUsername holds the puller's user name under the name that agent-install.sh reads.
	KeyEdgeClusterUsername = "EDGE_CLUSTER_REGISTRY_USERNAME"
	// KeyEdgeClusterToken holds the puller's token under the name that agent-install.sh reads.
	KeyEdgeClusterToken = "EDGE_CLUSTER_REGISTRY_TOKEN"
	// KeyNodeBootstrap holds the shell script that makes a node trust the registry.
	KeyNodeBootstrap = "node-bootstrap.sh"
)

// Login is a user of the registry and the token that serves as its password.
type Login struct {
	User  string
	Token credential.Token
}

// Input is what both Secrets are made from.
type Input struct {
	// Host is the DNS name of the registry, without a scheme, and with its port if that is not the usual one.
	Host string
	// Provider is who provides the registry, by the name of the field in the spec.
	Provider string
	// Project is the first part of the path of every image; it may be empty.
	Project string
	// Publisher may push, Puller may only pull.
	Publisher, Puller Login
	// PullOnly: there is no publisher.
	PullOnly bool
	// CA is one or more PEM certificates. It may be empty if PublicCAs verify the host.
	CA        []byte
	PublicCAs bool
}

// PublishData returns the data of the publish Secret: the same bytes for the
// same input. Its error names the field that cannot be published, never a token.
func PublishData(in Input) (map[string][]byte, error) {
	ca, err := in.check()
	if err != nil {
		return nil, err
	}
	return sharedData(in, in.Publisher, ca)
}

// PullData returns the data of the pull Secret: the same bytes for the same
// input, nothing of the publisher's. Its error names the field that cannot be
// published, never a token.
func PullData(in Input) (map[string][]byte, error) {
	ca, err := in.check()
	if err != nil {
		return nil, err
	}
	data, err := sharedData(in, in.Puller, ca)
	if err != nil {
		return nil, err
	}
	data[KeyEdgeClusterUsername] = []byte(in.Puller.User)
	data[KeyEdgeClusterToken] = []byte(in.Puller.Token.Reveal())
	data[KeyNodeBootstrap] = nodeBootstrap(in.Host, in.Project, ca)
	return data, nil
}

// RegistryAuthMisread reports whether hzn would misread logins for a host, so that HZN_REGISTRY_AUTH is left out.
func RegistryAuthMisread(host string) bool { return strings.Contains(host, ":") }

// ImagePrefix returns the common prefix of all image names, HOST/REPOSITORY.
func ImagePrefix(host, project string) string {
	if project == "" {
		return host
	}
	return host + "/" + project
}

// Token returns the token that a published Secret's data carries, and false when
// the Secret was emptied or altered: the token is missing or could not have been
// published, or .dockerconfigjson does not hold the same one.
func Token(data map[string][]byte) (credential.Token, bool) {
	token := credential.NewToken(string(data[KeyToken]))
	if checkToken(token) != nil {
		return credential.Token{}, false
	}
	var config dockerConfig
	if err := json.Unmarshal(data[KeyDockerConfigJSON], &config); err != nil {
		return credential.Token{}, false
	}
	for _, auth := range config.Auths {
		if auth.holds(token) {
			return token, true
		}
	}
	return credential.Token{}, false
}

func sharedData(in Input, login Login, ca []byte) (map[string][]byte, error) {
	config, err := json.Marshal(dockerConfig{Auths: map[string]dockerAuth{in.Host: newDockerAuth(login)}})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", KeyDockerConfigJSON, err)
	}
	name, port := splitHost(in.Host)
	data := map[string][]byte{
		KeyDockerConfigJSON: config,
		KeyHost:             []byte(in.Host),
		KeyProject:          []byte(in.Project),
		KeyUser:             []byte(login.User),
		KeyToken:            []byte(login.Token.Reveal()),
		KeyImagePrefix:      []byte(ImagePrefix(in.Host, in.Project)),
		KeyType:             []byte(bindingType),
		KeyProvider:         []byte(in.Provider),
		KeyBindingHost:      []byte(name),
		KeyBindingPort:      []byte(port),
		KeyURI:              []byte("https://" + in.Host),
		KeyUsername:         []byte(login.User),
		KeyPassword:         []byte(login.Token.Reveal()),
	}
	if !RegistryAuthMisread(in.Host) {
		data[KeyRegistryAuth] = []byte(in.Host + ":" + in.Puller.User + ":" + in.Puller.Token.Reveal())
	}
	if len(ca) > 0 {
		data[KeyCA] = ca
	}
	return data, nil
}

// dockerConfig is the part of Docker's config.json that holds logins
// (docker/cli, cli/config/configfile).
type dockerConfig struct {
	Auths map[string]dockerAuth `json:"auths"`
}

// dockerAuth is one login. Only auth is published, the base64 of user and token joined by ":", because every reader accepts that:
// docker and crane ignore the whole DOCKER_AUTH_CONFIG if an entry has another field. Secrets of earlier versions also hold username
// and password.
type dockerAuth struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Auth     string `json:"auth"`
}

func newDockerAuth(login Login) dockerAuth {
	pair := login.User + ":" + login.Token.Reveal()
	return dockerAuth{Auth: base64.StdEncoding.EncodeToString([]byte(pair))}
}

// holds reports whether the login carries the token, and no other.
func (a dockerAuth) holds(token credential.Token) bool {
	pair, err := base64.StdEncoding.DecodeString(a.Auth)
	if err != nil {
		return false
	}
	_, password, _ := strings.Cut(string(pair), ":")
	return password == token.Reveal() && (a.Password == "" || a.Password == password)
}
