// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Command distribution serves a registry: `distribution CONFIG PORT` reads a configuration file and the variables
// REGISTRY_*, as the registry's own command does, listens on a free port of 127.0.0.1 and writes it to the file PORT.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file, port string) error {
	text, err := os.Open(file)
	if err != nil {
		return err
	}
	config, err := configuration.Parse(text)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	app := handlers.NewApp(context.Background(), config)
	number := listener.Addr().(*net.TCPAddr).Port
	if err := os.WriteFile(port, []byte(strconv.Itoa(number)), 0o600); err != nil {
		return err
	}
	return http.Serve(listener, app)
}
