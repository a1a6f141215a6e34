// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tokenSized matches what is long enough to be a token or a part of one, plain or in base64. No name in a cluster is.
var tokenSized = regexp.MustCompile(`[\w+/=.-]{256,}`)

// repeat is all in a call that could be a token, in its body, in its answer and in its header, as somebody would repeat
// it who explains why the call failed. A token that is asked for is issued anyway; nothing else is written.
func (c *Call) repeat(on func() (*http.Response, error)) (string, error) {
	said := [][]byte{c.Body, nil, []byte(c.request.Header.Get("Authorization"))}
	if c.Mints() || !c.Writes() {
		response, err := on()
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		if said[1], err = drain(&response.Body); err != nil {
			return "", err
		}
	}
	found := tokenSized.FindAll(bytes.Join(said, []byte("\n")), -1)
	return string(bytes.Join(found, []byte(" "))), nil
}

// Echo refuses the call with a status of Kubernetes that repeats what was in its hands, as a webhook may.
func Echo(code int, reason metav1.StatusReason) Fault {
	return func(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
		said, err := c.repeat(on)
		if err != nil {
			return nil, err
		}
		return Refuse(code, reason, "a webhook denied the request: "+said, -1)(c, nil)
	}
}

// EchoText answers the call with an error in plain text that repeats it, as a proxy may.
func EchoText(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	return c.babble(http.StatusBadGateway, "text/plain", on)
}

// EchoAlone answers the call with what it repeats, as if that were an object.
func EchoAlone(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	return c.babble(http.StatusOK, "application/json", on)
}

func (c *Call) babble(code int, kind string, on func() (*http.Response, error)) (*http.Response, error) {
	said, err := c.repeat(on)
	if err != nil {
		return nil, err
	}
	response, err := Refuse(code, "", "", -1)(c, nil)
	if err != nil {
		return nil, err
	}
	response.Header.Set("Content-Type", kind)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader([]byte(said))), int64(len(said))
	return response, nil
}

// EchoWarning lets the call pass, with a warning that repeats it.
func EchoWarning(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
	response, err := on()
	if err != nil {
		return nil, err
	}
	said, err := c.repeat(func() (*http.Response, error) { return response, nil })
	if err != nil {
		return nil, err
	}
	response.Header.Add("Warning", fmt.Sprintf("299 - %q", said))
	return response, nil
}

// Panic has the code panic that makes the call: before it is written, and when it is answered with a token.
func Panic(how func(*Call)) Fault {
	return func(c *Call, on func() (*http.Response, error)) (*http.Response, error) {
		if c.Mints() {
			lose(on())
		}
		how(c)
		return on()
	}
}
