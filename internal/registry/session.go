// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// session is a login to one repository.
type session struct {
	*Client
	repository string
	bearer     credential.Token
}

// pull reports whether the token may read: a repository that does not exist is
// told to those only who may.
func (s session) pull(ctx context.Context) (bool, error) {
	a, err := s.send(ctx, opPull, http.MethodGet, s.url("/v2/"+s.repository+"/tags/list"))
	if err != nil {
		return false, err
	}
	switch {
	case a.status == http.StatusOK, a.status == http.StatusNotFound && a.code() == codeNameUnknown:
		return true, nil
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return false, nil
	default:
		return false, s.unexpected(opPull, a)
	}
}

// push reports whether the token may write, by an upload that is opened and
// cancelled at once. leftover says why it could not be cancelled.
func (s session) push(ctx context.Context) (may bool, leftover, err error) {
	if err := ctx.Err(); err != nil {
		return false, nil, s.failTransport(ctx, opPush, err)
	}
	// Once the request is out, an upload may be open: its answer must be awaited.
	ctx, cancel := outlive(ctx, s.grace)
	defer cancel()
	a, err := s.send(ctx, opPush, http.MethodPost, s.url(s.uploads()))
	if err != nil {
		return false, nil, err
	}
	switch a.status {
	case http.StatusAccepted:
		return true, s.cancelUpload(ctx, a.header.Get("Location")), nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return false, nil, nil
	case http.StatusMethodNotAllowed:
		return false, nil, s.fail(Unavailable, opPush, a.status, errReadOnly)
	default:
		return false, nil, s.unexpected(opPush, a)
	}
}

// uploadID is the last part of an upload's path.
var uploadID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

var errForeignUpload = errors.New("the upload is at an address outside the repository, to which the token is not sent")

// cancelUpload deletes an upload. The address is the registry's word, and
// is followed only if it is that of an upload in this very repository.
func (s session) cancelUpload(ctx context.Context, location string) error {
	target, err := s.url(s.uploads()).Parse(location)
	if err != nil || !s.owns(target) {
		return s.fail(Unexpected, opCancel, 0, errForeignUpload)
	}
	id, ok := strings.CutPrefix(target.EscapedPath(), s.uploads())
	if !ok || !uploadID.MatchString(id) {
		return s.fail(Unexpected, opCancel, 0, errForeignUpload)
	}
	a, err := s.send(ctx, opCancel, http.MethodDelete, target)
	if err != nil {
		return err
	}
	if a.status/100 == 2 || a.status == http.StatusNotFound {
		return nil
	}
	return s.unexpected(opCancel, a)
}

func (s session) uploads() string {
	return "/v2/" + s.repository + "/blobs/uploads/"
}

func (s session) send(ctx context.Context, o op, method string, target *url.URL) (answer, error) {
	return s.do(ctx, o, method, target, func(req *http.Request) {
		req.Header.Set("Authorization", "Bearer "+s.bearer.Reveal())
	})
}

// outlive returns a context that ends the given time after its parent does.
func outlive(parent context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(by, cancel) })
	return ctx, func() {
		stop()
		cancel()
	}
}
