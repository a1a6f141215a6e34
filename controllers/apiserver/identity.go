// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"fmt"
	"strings"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Identity is the operator's own user name, which is asked for once. The zero value is ready for use.
type Identity struct {
	mu   sync.Mutex
	user string
}

// Username returns the operator's own user name, such as system:serviceaccount:NAMESPACE:NAME.
func (i *Identity) Username(ctx context.Context, c client.Client) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.user != "" {
		return i.user, nil
	}
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, review); err != nil {
		return "", fmt.Errorf("ask the API server for the operator's own user name: %w", err)
	}
	i.user = review.Status.UserInfo.Username
	return i.user, nil
}

// ServiceAccountPrefix is the prefix of the user name of each service account.
const ServiceAccountPrefix = "system:serviceaccount:"

// SubjectFlag is the flag of oc create rolebinding for a user.
func SubjectFlag(username string) string {
	if account, ok := strings.CutPrefix(username, ServiceAccountPrefix); ok {
		return "--serviceaccount=" + account
	}
	return "--user=" + username
}

// IsSubject reports whether a subject of a RoleBinding in a namespace is the user. A service
// account may be bound by its kind or by its user name.
func IsSubject(subject rbacv1.Subject, namespace, username string) bool {
	switch subject.Kind {
	case rbacv1.UserKind:
		return subject.Name == username
	case rbacv1.ServiceAccountKind:
		if subject.Namespace != "" {
			namespace = subject.Namespace
		}
		return ServiceAccountPrefix+namespace+":"+subject.Name == username
	default:
		return false
	}
}
