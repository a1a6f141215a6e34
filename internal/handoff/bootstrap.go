// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package handoff

import (
	"bytes"
	_ "embed"
	"strconv"
	"strings"
)

// nodeBootstrapTemplate is a shell script with the placeholders @HOST@,
// @PROJECT@, @IMAGE_PREFIX@, @PUBLIC@ and @CA@.
//
//go:embed node-bootstrap.sh.tmpl
var nodeBootstrapTemplate string

// NodeBootstrap returns the script for a caller that has its own host, project and CA, not those of a pull Secret. Without a CA, public
// ones verify the host.
func NodeBootstrap(host, project string, ca []byte) ([]byte, error) {
	if err := checkHost(host); err != nil {
		return nil, err
	}
	if err := checkProject(project); err != nil {
		return nil, err
	}
	if len(ca) == 0 {
		return nodeBootstrap(host, project, nil), nil
	}
	ca, err := encodeCA(ca)
	if err != nil {
		return nil, err
	}
	return nodeBootstrap(host, project, ca), nil
}

// nodeBootstrap returns the script that makes a node trust the registry. Its
// arguments have passed Input.check, so none of them can end a quoted string or
// the here-document that holds the CA. Without a CA, public ones verify the host and there is nothing to trust.
func nodeBootstrap(host, project string, ca []byte) []byte {
	fill := strings.NewReplacer(
		"@HOST@", host,
		"@PROJECT@", project,
		"@IMAGE_PREFIX@", ImagePrefix(host, project),
		"@PUBLIC@", strconv.FormatBool(len(ca) == 0),
		"@CA@", string(bytes.TrimSuffix(ca, []byte("\n"))),
	)
	return []byte(fill.Replace(nodeBootstrapTemplate))
}
