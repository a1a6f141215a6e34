// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"net/http"
	"net/url"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// session is a login to one repository.
type session struct {
	*Client
	repository string
	// authorize adds the login to a request; nil for none.
	authorize func(*http.Request)
}

func asBearer(token credential.Token) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+token.Reveal()) }
}

func asBasic(user string, token credential.Token) func(*http.Request) {
	return func(req *http.Request) { req.SetBasicAuth(user, token.Reveal()) }
}

// pull reports whether the token may read. The registry answers that a repository
// does not exist only to those who may read it.
func (s session) pull(ctx context.Context) (bool, error) {
	a, err := s.send(ctx, opPull, http.MethodGet, s.url("/v2/"+s.repository+"/tags/list"))
	if err != nil {
		return false, err
	}
	switch {
	case a.status == http.StatusOK && a.marked(), a.status == http.StatusNotFound && a.code() == codeNameUnknown:
		return true, nil
	case s.denies(a):
		return false, nil
	default:
		return false, s.unexpected(opPull, a)
	}
}

// push reports whether the token may write. It sends a part of an upload that was
// never begun. The registry checks the right before it looks for the upload
// (docker/distribution, registry/handlers/app.go), so only a login that may push
// learns that there is none. The probe begins no upload, because it could not
// cancel it: DELETE may need a right that no login has.
//
// The address ends without the id of an upload. So a registry in read-only mode
// shows it: it has no handler for the method (blobupload.go there) and answers 405,
// also only after it has checked the right. With an id it would look for the upload
// instead. A 405 of a proxy on the way does not count: the registry's own answers
// name its API version.
func (s session) push(ctx context.Context) (allowed, readOnly bool, err error) {
	a, err := s.send(ctx, opPush, http.MethodPatch, s.url("/v2/"+s.repository+"/blobs/uploads/"))
	if err != nil {
		return false, false, err
	}
	return s.judgePush(a)
}

// judgePush interprets the answer to an attempt to push.
func (s session) judgePush(a answer) (allowed, readOnly bool, err error) {
	switch {
	case a.missesUpload():
		return true, false, nil
	case s.denies(a):
		return false, false, nil
	case a.status == http.StatusMethodNotAllowed && a.header.Get(apiVersion) != "":
		return true, true, nil
	default:
		return false, false, s.unexpected(opPush, a)
	}
}

// missesUpload reports whether the registry looked for an upload and found none.
// The error code decides: a registry that could not check the token answers a bare
// 400, and any web server may answer 404. docker/distribution sends both codes with
// 404 (registry/api/v2/errors.go); earlier versions sent 400.
func (a answer) missesUpload() bool {
	if a.status != http.StatusNotFound && a.status != http.StatusBadRequest {
		return false
	}
	code := a.code()
	return code == codeUploadUnknown || code == codeUploadInvalid
}

func (s session) send(ctx context.Context, o op, method string, target *url.URL) (answer, error) {
	return s.do(ctx, o, method, target, s.authorize)
}
