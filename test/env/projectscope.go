// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package env

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// projectScope simulates a patch of OpenShift's kube-apiserver: a request about one
// project is authorised inside the namespace of its name, so that the admin of a
// project may get, patch and delete it. It is an authorisation webhook that is
// asked, after RBAC had no opinion, about such requests and no others.
type projectScope struct {
	listener net.Listener
	server   *http.Server
}

// authorizers are what the API server asks in turn, in place of --authorization-mode=RBAC.
const authorizers = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- type: RBAC
  name: rbac
- type: Webhook
  name: project-scope
  webhook:
    timeout: 3s
    # Nothing is remembered: RBAC remembers nothing either.
    authorizedTTL: 1ms
    unauthorizedTTL: 1ms
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: NoOpinion
    connectionInfo:
      type: KubeConfigFile
      kubeConfigFile: %s
    matchConditions:
    - expression: >-
        has(request.resourceAttributes) && request.resourceAttributes.group == 'project.openshift.io' &&
        request.resourceAttributes.resource == 'projects' && request.resourceAttributes.name != '' &&
        request.resourceAttributes.namespace == ''
`

const webhookKubeconfig = `apiVersion: v1
kind: Config
clusters:
- name: webhook
  cluster: {server: "http://%s"}
users:
- name: webhook
contexts:
- name: webhook
  context: {cluster: webhook, user: webhook}
current-context: webhook
`

// newProjectScope takes an address and writes the API server's configuration into a folder.
func newProjectScope(dir string) (*projectScope, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the authorisation of projects: %w", err)
	}
	kubeconfig := filepath.Join(dir, "project-scope.kubeconfig")
	for path, content := range map[string]string{
		kubeconfig:               fmt.Sprintf(webhookKubeconfig, listener.Addr()),
		authorizationConfig(dir): fmt.Sprintf(authorizers, kubeconfig),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("write the API server's files: %w", err)
		}
	}
	return &projectScope{listener: listener}, nil
}

func authorizationConfig(dir string) string { return filepath.Join(dir, "authorization.yaml") }

// serve answers from now on; until then the API server waits for an answer.
func (p *projectScope) serve(api client.Client) {
	p.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { authorizeInside(api, w, r) }),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() { _ = p.server.Serve(p.listener) }()
}

func (p *projectScope) close() {
	_ = p.listener.Close()
	if p.server != nil {
		_ = p.server.Close()
	}
}

// authorizeInside asks the API server the same about the namespace of the project's name.
func authorizeInside(api client.Client, w http.ResponseWriter, r *http.Request) {
	review := &authorizationv1.SubjectAccessReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Spec.ResourceAttributes == nil {
		http.Error(w, "no SubjectAccessReview of a resource", http.StatusBadRequest)
		return
	}
	inside := &authorizationv1.SubjectAccessReview{Spec: review.Spec}
	inside.Spec.ResourceAttributes.Namespace = inside.Spec.ResourceAttributes.Name
	if err := api.Create(r.Context(), inside); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	review.Status = inside.Status
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}
