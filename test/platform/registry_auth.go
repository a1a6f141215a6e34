// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

const (
	imageGroup = "image.openshift.io"
	// anonymousToken is what the token endpoint gives who shows no credentials.
	anonymousToken = "anonymous"
)

// access is one thing that a request wants to do, as the registry's refusal
// lists it.
type access struct {
	Type   string
	Class  string
	Name   string
	Action string
}

// refusal is why a request is not served. The zero challenge is a bad request.
type refusal struct{ challenge string }

var (
	errAccessDenied = errors.New("access denied")
	errTokenMissing = errors.New("authorization header required")
	errTokenUnread  = errors.New("failed to decode credentials")
	errRepository   = errors.New("the repository is not of the form <project>/<name>")
)

func refuse(r *http.Request, err error) *refusal {
	switch {
	case errors.Is(err, errTokenMissing):
		return &refusal{fmt.Sprintf("Bearer realm=%q", "https://"+r.Host+"/openshift/token")}
	case errors.Is(err, errTokenUnread), errors.Is(err, errAccessDenied):
		return &refusal{fmt.Sprintf("Basic realm=openshift,error=%q", err)}
	default:
		return &refusal{}
	}
}

func (f *refusal) write(w http.ResponseWriter, accesses []access) {
	if f.challenge == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Www-Authenticate", f.challenge)
	writeError(w, http.StatusUnauthorized, registryError{
		Code: "UNAUTHORIZED", Message: "authentication required", Detail: accesses,
	})
}

// bearer reads the token of a request: a bearer token, or the password of a
// login whose user name is ignored. It is empty for the anonymous token.
func bearer(r *http.Request) (string, error) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer":
		if value == anonymousToken {
			return "", nil
		}
		return value, nil
	case "basic":
		_, password, ok := r.BasicAuth()
		if !ok || password == "" {
			return "", errTokenUnread
		}
		return password, nil
	default:
		return "", errTokenMissing
	}
}

// authorize finds out who sends the request and whether the API server lets
// them do all of the accesses.
func (g *Registry) authorize(r *http.Request, accesses []access) (*caller, *refusal) {
	token, err := bearer(r)
	if err != nil {
		return nil, refuse(r, err)
	}
	user, err := g.caller(token)
	if err != nil {
		return nil, refuse(r, err)
	}
	if token != "" {
		if err := user.identify(r.Context()); err != nil {
			return nil, refuse(r, err)
		}
	}
	for _, a := range accesses {
		if err := user.may(r.Context(), a); err != nil {
			return nil, refuse(r, err)
		}
	}
	return user, nil
}

// serveToken is the token endpoint: it gives back the password of a valid
// login, and a token for the anonymous user to who shows no credentials.
func (g *Registry) serveToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for _, scope := range r.URL.Query()["scope"] {
		parts := strings.Split(scope, ":")
		if len(parts) != 3 || parts[0] != "repository" {
			continue
		}
		if _, _, ok := splitRepository(parts[1]); !ok {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"details": errRepository.Error()})
			return
		}
	}
	token := anonymousToken
	if r.Header.Get("Authorization") != "" {
		_, password, ok := r.BasicAuth()
		user, err := g.caller(password)
		if !ok || err != nil || user.identify(r.Context()) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token = password
	}
	writeJSON(w, http.StatusOK, map[string]string{"access_token": token, "token": token})
}

// caller asks the API server about the owner of one token, with that token.
type caller struct {
	name           string
	authentication authenticationclient.AuthenticationV1Interface
	authorization  authorizationclient.AuthorizationV1Interface
}

func (g *Registry) caller(token string) (*caller, error) {
	config := rest.CopyConfig(g.config)
	config.BearerToken = g.exchanged(token)
	config.QPS = -1
	authentication, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the caller's client: %w", err)
	}
	authorization, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make the caller's client: %w", err)
	}
	return &caller{authentication: authentication, authorization: authorization}, nil
}

func (c *caller) identify(ctx context.Context) error {
	review, err := c.authentication.SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
		return errAccessDenied
	}
	if err != nil {
		return fmt.Errorf("identify the caller: %w", err)
	}
	c.name = review.Status.UserInfo.Username
	return nil
}

// may checks one access: pull and push are get and update of the layers of an
// image stream; delete and the catalog are rights over the whole cluster.
func (c *caller) may(ctx context.Context, a access) error {
	if a.Type == "registry" {
		return c.review(ctx, authorizationv1.ResourceAttributes{Verb: "list", Group: imageGroup, Resource: "imagestreams"})
	}
	namespace, name, ok := splitRepository(a.Name)
	if !ok {
		return errRepository
	}
	attributes := authorizationv1.ResourceAttributes{
		Namespace: namespace, Name: name, Group: imageGroup, Resource: "imagestreams", Subresource: "layers",
	}
	switch a.Action {
	case "pull":
		attributes.Verb = "get"
	case "push":
		attributes.Verb = "update"
	default:
		attributes = authorizationv1.ResourceAttributes{Verb: "delete", Group: imageGroup, Resource: "images"}
	}
	return c.review(ctx, attributes)
}

func (c *caller) review(ctx context.Context, attributes authorizationv1.ResourceAttributes) error {
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes},
	}
	review, err := c.authorization.SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
		return errAccessDenied
	}
	if err != nil {
		return fmt.Errorf("check the caller's access: %w", err)
	}
	if !review.Status.Allowed {
		return errAccessDenied
	}
	return nil
}

// mayCreateStream returns nil, or the refusal that creating the image stream of
// the repository would meet at the API server.
func (c *caller) mayCreateStream(ctx context.Context, path registryPath) any {
	namespace, _, _ := splitRepository(path.repository)
	err := c.review(ctx, authorizationv1.ResourceAttributes{
		Namespace: namespace, Verb: "create", Group: imageGroup, Resource: "imagestreams",
	})
	if err == nil {
		return nil
	}
	return map[string]metav1.Status{"ErrStatus": {
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden,
		Message: fmt.Sprintf("imagestreams.%s is forbidden: User %q cannot create resource %q in API group %q in the namespace %q",
			imageGroup, c.name, "imagestreams", imageGroup, namespace),
		Details: &metav1.StatusDetails{Group: imageGroup, Kind: "imagestreams"},
	}}
}
