// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	projectv1 "github.com/openshift/api/project/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bindingWait is how long openshift-apiserver waits, at most, until the
// requester's binding is known to the authorizer.
const bindingWait = 6 * time.Second

// sccAnnotations are what the cluster policy controller gives every namespace a
// moment after it was created.
var sccAnnotations = map[string]string{
	"openshift.io/sa.scc.mcs":                 "s0:c26,c25",
	"openshift.io/sa.scc.supplemental-groups": "1000700000/10000",
	"openshift.io/sa.scc.uid-range":           "1000700000/10000",
}

// mayRequest answers whether the caller may request projects, with a Status.
func (p *Projects) mayRequest(r *http.Request) (int, any, error) {
	if err := p.refusal(); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
	}, nil
}

func (p *Projects) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.disabled {
		return nil
	}
	err := apierrors.NewForbidden(resource("projectrequest"), "", errors.New("project requests are disabled"))
	err.ErrStatus.Message = "You may not request a new project via this API."
	if p.message != "" {
		err.ErrStatus.Message = p.message
		err.ErrStatus.Details = &metav1.StatusDetails{
			Kind: "ProjectRequest", Causes: []metav1.StatusCause{{Message: p.message}},
		}
	}
	return err
}

// create makes a project for the caller. Of the request it keeps the name, the
// display name and the description; labels and annotations get lost.
func (p *Projects) create(r *http.Request) (int, any, error) {
	if err := p.refusal(); err != nil {
		return 0, nil, err
	}
	request := &projectv1.ProjectRequest{}
	if err := json.NewDecoder(r.Body).Decode(request); err != nil {
		return 0, nil, apierrors.NewBadRequest("the object provided is no ProjectRequest in JSON")
	}
	if err := validate(request); err != nil {
		return 0, nil, err
	}
	owner := r.Header.Get("X-Remote-User")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: request.Name,
		Annotations: map[string]string{
			descriptionKey:                       request.Description,
			displayNameKey:                       request.DisplayName,
			projectv1.ProjectRequesterAnnotation: owner,
		},
	}}
	ctx := r.Context()
	err := p.api.Create(ctx, namespace, client.FieldOwner(projectsNamespace))
	if apierrors.IsAlreadyExists(err) {
		return 0, nil, apierrors.NewAlreadyExists(resource("project"), request.Name)
	}
	if err != nil {
		return 0, nil, err
	}
	if err := p.fill(ctx, owner, request.Name); err != nil {
		// A project whose template fails is not left behind in parts.
		return 0, nil, apierrors.NewInternalError(errors.Join(err, p.api.Delete(ctx, namespace)))
	}
	if err := p.api.Get(ctx, client.ObjectKeyFromObject(namespace), namespace); err != nil {
		return 0, nil, err
	}
	p.group.Go(func() { p.annotate(context.WithoutCancel(ctx), request.Name) })
	return http.StatusCreated, projectOf(namespace), nil
}

// fill creates the template's objects.
func (p *Projects) fill(ctx context.Context, owner, name string) error {
	p.mu.Lock()
	template := p.template
	p.mu.Unlock()
	if template == nil {
		if err := p.api.Create(ctx, adminBinding(owner, name), client.FieldOwner(projectsNamespace)); err != nil {
			return fmt.Errorf("bind the requester: %w", err)
		}
		p.awaitRights(ctx, owner, name)
		return nil
	}
	for _, object := range template(owner, name) {
		if object.GetNamespace() == "" {
			object.SetNamespace(name)
		}
		if err := p.api.Create(ctx, object, client.FieldOwner(projectsNamespace)); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("create %s of the template: %w", object.GetName(), err)
		}
	}
	return nil
}

func adminBinding(owner, namespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: owner}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
	}
}

// awaitRights waits until the authorizer knows the binding. As on a cluster, it
// gives up without an error.
func (p *Projects) awaitRights(ctx context.Context, owner, name string) {
	_ = wait.PollUntilContextTimeout(ctx, pollInterval, bindingWait, true, func(ctx context.Context) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: owner,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: name, Verb: "create", Group: rbacv1.GroupName, Resource: "rolebindings",
			},
		}}
		err := p.api.Create(ctx, review)
		return err == nil && review.Status.Allowed, nil
	})
}

// annotate simulates the cluster policy controller, which acts after the answer.
func (p *Projects) annotate(ctx context.Context, name string) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": sccAnnotations}})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	// A project that is deleted at once needs no annotations.
	_ = p.api.Patch(ctx, namespace, client.RawPatch("application/merge-patch+json", patch))
}

// validate refuses names in the order in which openshift-apiserver does.
func validate(request *projectv1.ProjectRequest) error {
	path := field.NewPath("metadata", "name")
	name := request.Name
	var invalid field.ErrorList
	switch {
	case name == "":
		invalid = append(invalid, field.Required(path, "name or generateName is required"))
	case len(name) < 2:
		invalid = append(invalid, field.Invalid(path, name, "must be at least 2 characters long"))
	default:
		for _, message := range validation.IsDNS1123Label(name) {
			invalid = append(invalid, field.Invalid(path, name, message))
		}
	}
	if len(invalid) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: projectv1.GroupName, Kind: "ProjectRequest"}, name, invalid)
	}
	for _, word := range []string{"openshift", "kubernetes", "kube"} {
		if name == word {
			return apierrors.NewForbidden(resource("project"), name, fmt.Errorf("cannot request a project with the name %q", word))
		}
		if prefix := word + "-"; strings.HasPrefix(name, prefix) {
			return apierrors.NewForbidden(resource("project"), name, fmt.Errorf("cannot request a project starting with %q", prefix))
		}
	}
	if strings.ContainsAny(request.DisplayName, "\n\t") {
		return apierrors.NewInvalid(schema.GroupKind{Group: projectv1.GroupName, Kind: "Project"}, name, field.ErrorList{
			field.Invalid(field.NewPath("metadata", "annotations").Key(displayNameKey), request.DisplayName, "may not contain a new line or tab"),
		})
	}
	return nil
}
