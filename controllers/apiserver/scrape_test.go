// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestWhoMayReadTheMetrics(t *testing.T) {
	unavailable := errors.New("the API server is away")
	tests := map[string]struct {
		header             string
		unknown, forbidden bool
		authn, authz       error
		status, reviews    int
	}{
		"no token":                   {header: "", status: http.StatusUnauthorized},
		"an empty token":             {header: "Bearer ", status: http.StatusUnauthorized},
		"a password":                 {header: "Basic dXNlcjpwYXNz", status: http.StatusUnauthorized},
		"a token that nobody issued": {header: "Bearer t", unknown: true, status: http.StatusUnauthorized, reviews: 1},
		"somebody without the right": {header: "Bearer t", forbidden: true, status: http.StatusForbidden, reviews: 2},
		"somebody with it":           {header: "Bearer t", status: http.StatusOK, reviews: 2},
		"a scheme in small letters":  {header: "bearer t", status: http.StatusOK, reviews: 2},
		"no answer about the token":  {header: "Bearer t", authn: unavailable, status: http.StatusInternalServerError, reviews: 1},
		"no answer about the right":  {header: "Bearer t", authz: unavailable, status: http.StatusInternalServerError, reviews: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			api := fake.NewClientset()
			api.PrependReactor("create", "tokenreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
				review := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenReview).DeepCopy()
				g.Expect(review.Spec.Token).To(Equal("t"))
				review.Status = authenticationv1.TokenReviewStatus{Authenticated: !test.unknown, User: authenticationv1.UserInfo{
					Username: "reader", UID: "1", Groups: []string{"readers"}, Extra: map[string]authenticationv1.ExtraValue{"pod": {"p"}},
				}}
				return true, review, test.authn
			})
			api.PrependReactor("create", "subjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
				review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SubjectAccessReview).DeepCopy()
				g.Expect(review.Spec).To(Equal(authorizationv1.SubjectAccessReviewSpec{
					User: "reader", UID: "1", Groups: []string{"readers"}, Extra: map[string]authorizationv1.ExtraValue{"pod": {"p"}},
					NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: "get", Path: "/metrics"},
				}))
				review.Status.Allowed = !test.forbidden
				return true, review, test.authz
			})
			s := scrapes{api.AuthenticationV1().TokenReviews(), api.AuthorizationV1().SubjectAccessReviews()}
			request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			request.Header.Set("Authorization", test.header)
			answer := httptest.NewRecorder()
			s.filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write([]byte("figures"))
			})).ServeHTTP(answer, request)
			g.Expect(answer.Code).To(Equal(test.status))
			g.Expect(answer.Body.String() == "figures").To(Equal(test.status == http.StatusOK))
			g.Expect(api.Actions()).To(HaveLen(test.reviews))
		})
	}
}
