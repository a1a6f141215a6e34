// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// relay has a function pass on what the API server answers to a watch; its error is how the answer ends. It asks for JSON,
// where an event is a line.
func relay(c *Call, on func() (*http.Response, error), pass func(from io.Reader, to io.WriteCloser) error) (*http.Response, error) {
	accepted := slices.DeleteFunc(strings.Split(c.request.Header.Get("Accept"), ","), func(what string) bool {
		return strings.Contains(what, "protobuf")
	})
	c.request.Header.Set("Accept", strings.Join(accepted, ","))
	response, err := on()
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	reader, writer := io.Pipe()
	far := response.Body
	go func() { _ = writer.CloseWithError(pass(far, writer)) }()
	response.Body = relayed{reader, far}
	return response, nil
}

// relayed is the near end of an answer, whose end is that of the far one too.
type relayed struct {
	*io.PipeReader
	far io.Closer
}

// Close implements io.Closer.
func (r relayed) Close() error { return errors.Join(r.PipeReader.Close(), r.far.Close()) }
