// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// reviewTimeout bounds what the API server may take to judge one scrape.
const reviewTimeout = 10 * time.Second

// scrapes decides who may read the metrics.
type scrapes struct {
	authentication authenticationclient.TokenReviewInterface
	authorization  authorizationclient.SubjectAccessReviewInterface
}

// FilterScrapes serves the metrics only to callers whose token the API server accepts and whose rights allow the request to the
// path. It asks the API server for each scrape, so that a revoked right counts at once. controller-runtime's own filter does the
// same with the API server's library, which makes the binary half as large again and the process a quarter larger.
func FilterScrapes(config *rest.Config, httpClient *http.Client) (metricsserver.Filter, error) {
	config = rest.CopyConfig(config)
	// The usual limits of a client, so that a flood of scrapes does not reach the API server.
	config.QPS, config.Burst = rest.DefaultQPS, rest.DefaultBurst
	authentication, err := authenticationclient.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	authorization, err := authorizationclient.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	s := scrapes{authentication.TokenReviews(), authorization.SubjectAccessReviews()}
	return func(log logr.Logger, metrics http.Handler) (http.Handler, error) { return s.filter(log, metrics), nil }, nil
}

func (s scrapes) filter(log logr.Logger, metrics http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := s.judge(r)
		if err != nil {
			log.Error(err, "The API server did not say whether a scrape is allowed")
		}
		if status != http.StatusOK {
			http.Error(w, http.StatusText(status), status)
			return
		}
		metrics.ServeHTTP(w, r)
	})
}

// judge returns the status to answer a request with; OK lets it through.
func (s scrapes) judge(r *http.Request) (int, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return http.StatusUnauthorized, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	who, err := s.authentication.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return http.StatusInternalServerError, err
	case !who.Status.Authenticated:
		return http.StatusUnauthorized, nil
	}
	may, err := s.authorization.Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: accessTo(who.Status.User, strings.ToLower(r.Method), r.URL.Path),
	}, metav1.CreateOptions{})
	switch {
	case err != nil:
		return http.StatusInternalServerError, err
	case !may.Status.Allowed:
		return http.StatusForbidden, nil
	default:
		return http.StatusOK, nil
	}
}

// accessTo asks for a request to a path that is no resource.
func accessTo(user authenticationv1.UserInfo, verb, path string) authorizationv1.SubjectAccessReviewSpec {
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for key, value := range user.Extra {
		extra[key] = authorizationv1.ExtraValue(value)
	}
	return authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
		NonResourceAttributes: &authorizationv1.NonResourceAttributes{Verb: verb, Path: path},
	}
}
