// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package text

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// NoAnswer is the text in place of an unusable answer.
const NoAnswer = "no valid answer in HTTP"

// Connection returns the text of a failed connection, if that text comes from this side: the system, its resolver, TLS or the
// verification of a certificate. It repeats no text of the peer, such as the line that net/http quotes of a malformed response, or
// the reason in an HTTP/2 frame.
func Connection(err error) string {
	var refused ProxyRefusal
	if errors.As(err, &refused) {
		return refused.Error()
	}
	if own(err) {
		return Foreign(err.Error())
	}
	return NoAnswer
}

// ProxyRefusal is the status with which a proxy refused to connect to a host. Nothing else of the proxy's answer is kept.
type ProxyRefusal int

// Error implements error.
func (r ProxyRefusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the proxy answered %d %s", int(r), http.StatusText(int(r))))
}

// RefusedByProxy is for the field OnProxyConnectResponse of a transport. Without it, net/http fails with the proxy's own text. That
// text is not repeated, so the error would not show that the proxy refused.
func RefusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return ProxyRefusal(resp.StatusCode)
	}
	return nil
}

// own reports whether the text of an error comes from this side.
func own(err error) bool {
	for _, known := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return ofTheSystem(err) || ofTLS(err)
}

func ofTheSystem(err error) bool {
	var number syscall.Errno
	var unknown *net.DNSError
	var slow net.Error
	return errors.As(err, &number) || errors.As(err, &unknown) || errors.As(err, &slow) && slow.Timeout()
}

func ofTLS(err error) bool {
	var alert *net.OpError
	if errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error") {
		return true
	}
	var plain tls.RecordHeaderError
	return errors.As(err, &plain) || Untrusted(err)
}

// Untrusted reports whether a certificate was not trusted, by the handshake or by a transport that verifies itself.
func Untrusted(err error) bool {
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unverified) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}
