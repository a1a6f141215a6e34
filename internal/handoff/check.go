// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/text"
)

const (
	maxHostLength   = 253
	certificateType = "CERTIFICATE"
)

var (
	// hostPattern is a name, and a port if there is one.
	hostPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:[1-9][0-9]{0,4})?$`)
	// projectPattern is the grammar of a repository path (distribution/reference).
	projectPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+|/)[a-z0-9]+)*$`)
)

// check returns the CA in the form in which it is published, or what is wrong
// with the input. Input that passes needs no quoting in a shell script, an
// environment variable or HZN_REGISTRY_AUTH.
func (in Input) check() ([]byte, error) {
	if err := checkHost(in.Host); err != nil {
		return nil, err
	}
	if in.Provider == "" {
		return nil, errors.New("there is no provider")
	}
	if err := checkProject(in.Project); err != nil {
		return nil, err
	}
	if !in.PullOnly {
		if err := in.Publisher.Check(); err != nil {
			return nil, fmt.Errorf("publisher: %w", err)
		}
	}
	if err := in.Puller.Check(); err != nil {
		return nil, fmt.Errorf("puller: %w", err)
	}
	if in.PublicCAs && len(in.CA) == 0 {
		return nil, nil
	}
	return encodeCA(in.CA)
}

// checkHost asks for a dot or a port, because Docker and hzn take the first part of an image name for a repository on Docker
// Hub when it has neither.
func checkHost(host string) error {
	name, _ := splitHost(host)
	if len(name) > maxHostLength || !hostPattern.MatchString(host) || !strings.ContainsAny(host, ".:") {
		return fmt.Errorf("host %q is not a lower-case DNS name with a dot, with or without a port: give the name that the registry is reached by, without a scheme", host)
	}
	return nil
}

func checkProject(project string) error {
	if project != "" && !projectPattern.MatchString(project) {
		return fmt.Errorf("project %q cannot stand in an image name: use lower-case letters, digits and single separators", project)
	}
	return nil
}

// splitHost returns the name and the port of a host; 443 if the host has none.
func splitHost(host string) (name, port string) {
	name, port, found := strings.Cut(host, ":")
	if !found {
		return host, bindingPort
	}
	return name, port
}

// Check returns why a login cannot be published, without any part of it; nil if it can.
func (l Login) Check() error {
	switch {
	case l.User == "":
		return errors.New("user is empty: give the user name of the login")
	case strings.Contains(l.User, ":"):
		return fmt.Errorf("user has a \":\": hzn splits %s there, so give a name without one", KeyRegistryAuth)
	case !text.Visible(l.User):
		return errors.New("user has a space, a control character or one beyond ASCII: give a name without one")
	}
	return checkToken(l.Token)
}

// checkToken returns why a token cannot be published. Token uses it too, so that
// what it returns can be published again.
func checkToken(token credential.Token) error {
	if token.IsZero() {
		return errors.New("token is empty: mint it before it is published")
	}
	if !text.Visible(token.Reveal()) {
		return errors.New("token has a space, a line break or a character beyond ASCII: it is not one that the API server minted")
	}
	return nil
}

// Certificates returns a PEM bundle for publication: only the certificates, each re-encoded.
func Certificates(bundle []byte) ([]byte, error) { return encodeCA(bundle) }

// encodeCA encodes the certificates of a PEM bundle again, so that a file or a
// script only gets base64 between two fixed lines. It refuses a bundle with
// anything that it would have to leave out.
func encodeCA(bundle []byte) ([]byte, error) {
	var encoded bytes.Buffer
	blocks := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		if block.Type != certificateType {
			return nil, fmt.Errorf("block %d of the CA is a %q: give certificates only", blocks, block.Type)
		}
		// Docker, Podman and CRI-O read certificates with this parser as well.
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("block %d of the CA is not a certificate: %w", blocks, err)
		}
		if err := pem.Encode(&encoded, &pem.Block{Type: certificateType, Bytes: block.Bytes}); err != nil {
			return nil, fmt.Errorf("encode block %d of the CA: %w", blocks, err)
		}
	}
	// The decoder skips a damaged block without an error.
	if begun := bytes.Count(bundle, []byte("-----BEGIN ")); begun != blocks {
		return nil, fmt.Errorf("the CA has %d PEM blocks but %d can be read: give it whole", begun, blocks)
	}
	if blocks == 0 {
		return nil, errors.New("the CA has no certificate: give at least one in PEM form")
	}
	return encoded.Bytes(), nil
}
