#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# containerd trusts the ca.crt in a registry's folder, until a hosts.toml is put beside it.
#
# Versions:  containerd 2.4.2 (its package core/remotes/docker/config, which its CRI plugin, ctr and nerdctl read folders by)
# Expected:  folders in the layout of Docker, HOST:PORT/ca.crt, are read, so a hosts.toml that sets something else, here
#            what the host is used for, or a header, adds to it.
# Seen:      with a hosts.toml the certificates in the folder are not looked at: "certificate signed by unknown authority".
#            An empty hosts.toml leaves them in force. `ca = "ca.crt"` in the file brings the CA back; written before a
#            table [host."..."] it is for the server alone, not for that mirror.
# Who:       nodes with containerd (k3s, MicroK8s, kubeadm) whose certs.d is filled by a script, when a mirror or a header
#            is added later: pulls that worked fail.
# Source:    containerd; docs/hosts.md describes both layouts, each by itself.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

mkdir program
cat >program/go.mod <<'MOD'
module program

go 1.26.0

require github.com/containerd/containerd/v2 v2.4.2
MOD
cat >program/main.go <<'GO'
package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/containerd/log"
)

func main() {
	_ = log.SetLevel("error")
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	address, _ := url.Parse(server.URL)
	// The certificate is for example.com. The name is written in the requests, and the address is dialled.
	host := "example.com:" + address.Port()
	root, err := os.MkdirTemp(".", "certs.d")
	check(err)
	folder := filepath.Join(root, host)
	check(os.Mkdir(folder, 0o700))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	check(os.WriteFile(filepath.Join(folder, "ca.crt"), ca, 0o600))

	mirror := fmt.Sprintf("[host.\"https://%s\"]\n", host)
	for _, c := range []struct{ name, toml string }{
		{"ca.crt alone", "-"},
		{"and an empty hosts.toml", ""},
		{"and a hosts.toml with capabilities", "capabilities = [\"pull\", \"resolve\"]\n"},
		{"and a hosts.toml with a header", "[header]\nX-Site = \"plant\"\n"},
		{"and a hosts.toml with the server and ca", "server = \"https://" + host + "\"\nca = \"ca.crt\"\n"},
		{"and a hosts.toml with ca, then a mirror", "ca = \"ca.crt\"\n" + mirror},
		{"and a hosts.toml with ca in the mirror", mirror + "ca = \"ca.crt\"\n"},
	} {
		file := filepath.Join(folder, "hosts.toml")
		if c.toml != "-" {
			check(os.WriteFile(file, []byte(c.toml), 0o600))
		}
		hosts, err := config.ConfigureHosts(context.Background(), config.HostOptions{HostDir: config.HostDirFromRoot(root)})(host)
		check(err)
		fmt.Printf("%s: %s\n", c.name, ask(hosts[0].Client, address.Host, host))
	}
}

// ask tells whether the first of the hosts, the one that a pull begins with, is trusted.
func ask(client *http.Client, address, host string) string {
	transport := client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = strings.Split(host, ":")[0]
	request, err := http.NewRequest(http.MethodGet, "https://"+address+"/v2/", nil)
	check(err)
	answer, err := (&http.Client{Transport: transport}).Do(request)
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		_ = answer.Body.Close()
		return "trusted"
	case errors.As(err, &unknown):
		return unknown.Error()
	default:
		return err.Error()
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
(cd program && go build -o "$GOBIN/program" .)
program >answers
line() { sed -n "s/^$1: //p" answers; }
unknown="x509: certificate signed by unknown authority"
seen "ca.crt alone" trusted "$(line "ca.crt alone")"
seen "and an empty hosts.toml" trusted "$(line "and an empty hosts.toml")"
seen "and a hosts.toml with capabilities" "$unknown" "$(line "and a hosts.toml with capabilities")"
seen "and a hosts.toml with a header" "$unknown" "$(line "and a hosts.toml with a header")"
seen "and a hosts.toml with the server and ca" trusted "$(line "and a hosts.toml with the server and ca")"
seen "and a hosts.toml with ca, then a mirror" "$unknown" "$(line "and a hosts.toml with ca, then a mirror")"
seen "and a hosts.toml with ca in the mirror" trusted "$(line "and a hosts.toml with ca in the mirror")"
echo "as stated"
