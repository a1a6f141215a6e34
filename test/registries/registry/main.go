// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command registry serves the registry distribution over TLS, at a free port of the loopback interface, until its standard
// input ends. Each line of that, USER:PASSWORD RIGHT,RIGHT, makes a login or gives it another password. It answers on
// standard output: first with its port, then with the user of each login that works.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/distribution/distribution/v3/configuration"

	"github.com/edge-registry/edge-registry-operator/test/registries/distribution"
	"github.com/edge-registry/edge-registry-operator/test/registries/tokens"
)

func main() {
	cert := flag.String("cert", "", "The file with its certificate.")
	key := flag.String("key", "", "The file with the key of that.")
	folder := flag.String("folder", "", "Where images and logins are kept.")
	auth := flag.String("auth", "htpasswd", "How it asks for a login: htpasswd, tokens or none.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := serve(ctx, *cert, *key, *folder, *auth)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

// setter makes a login.
type setter func(user, password string, rights []string) error

func serve(ctx context.Context, cert, key, folder, auth string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	mux := http.NewServeMux()
	config, set, err := logins(mux, fmt.Sprintf("localhost:%d", port), folder, auth)
	if err != nil {
		return err
	}
	mux.Handle("/", distribution.Handler(ctx, filepath.Join(folder, "images"), config))
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: time.Minute,
		// Of clients that hang up.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 2)
	go func() { ended <- server.ServeTLS(listener, cert, key) }()
	go func() { ended <- takeLogins(os.Stdin, os.Stdout, set) }()
	fmt.Println(port)
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	_ = server.Close()
	return err
}

// logins returns how the registry asks for them, and what makes one.
func logins(mux *http.ServeMux, host, folder, auth string) (configuration.Auth, setter, error) {
	switch auth {
	case "htpasswd":
		l, err := distribution.NewLogins(folder)
		if err != nil {
			return nil, nil, err
		}
		return l.Auth(), func(user, password string, _ []string) error { return l.Set(user, password) }, nil
	case "tokens":
		server, err := tokens.New(folder)
		if err != nil {
			return nil, nil, err
		}
		mux.Handle("/auth", server)
		return server.Auth("https://" + host + "/auth"), server.Set, nil
	case "none":
		return nil, func(string, string, []string) error { return nil }, nil
	default:
		return nil, nil, fmt.Errorf("-auth is %q: take htpasswd, tokens or none", auth)
	}
}

// takeLogins sets what it reads until there is no more. No password is in an error.
func takeLogins(from io.Reader, to io.Writer, set setter) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		login, rights, _ := strings.Cut(lines.Text(), " ")
		user, password, found := strings.Cut(login, ":")
		if !found {
			return errors.New("a line is not USER:PASSWORD RIGHT,RIGHT")
		}
		if err := set(user, password, strings.Split(rights, ",")); err != nil {
			return err
		}
		fmt.Fprintln(to, user)
	}
	return lines.Err()
}
