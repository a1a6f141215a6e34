// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command registry serves the registry distribution over TLS, at a free port of the loopback interface, until its standard
// input ends. Each line of that, USER:PASSWORD, makes a login or gives it another password. It answers on standard output:
// first with its port, then with the user of each login that works.
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

	"github.com/edge-registry/edge-registry-operator/test/registries/distribution"
)

func main() {
	cert := flag.String("cert", "", "The file with its certificate.")
	key := flag.String("key", "", "The file with the key of that.")
	folder := flag.String("folder", "", "Where images and logins are kept.")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *cert, *key, *folder); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, cert, key, folder string) error {
	logins, err := distribution.NewLogins(folder)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler:           distribution.Handler(ctx, filepath.Join(folder, "images"), logins.Auth()),
		ReadHeaderTimeout: time.Minute,
		// Of clients that hang up.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	ended := make(chan error, 2)
	go func() { ended <- server.ServeTLS(listener, cert, key) }()
	go func() { ended <- takeLogins(os.Stdin, os.Stdout, logins) }()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	_ = server.Close()
	return err
}

// takeLogins sets what it reads until there is no more. No password is in an error.
func takeLogins(from io.Reader, to io.Writer, logins *distribution.Logins) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		user, password, found := strings.Cut(lines.Text(), ":")
		if !found {
			return errors.New("a line is not USER:PASSWORD")
		}
		if err := logins.Set(user, password); err != nil {
			return err
		}
		fmt.Fprintln(to, user)
	}
	return lines.Err()
}
