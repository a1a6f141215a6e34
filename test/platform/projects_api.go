// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package platform

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	projectv1 "github.com/openshift/api/project/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	projectsPath = "/apis/project.openshift.io/v1"

	displayNameKey = "openshift.io/display-name"
	descriptionKey = "openshift.io/description"
)

func (p *Projects) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+projectsPath, discovery)
	mux.HandleFunc("GET "+projectsPath+"/projectrequests", p.serve(p.mayRequest))
	mux.HandleFunc("POST "+projectsPath+"/projectrequests", p.serve(p.create))
	mux.HandleFunc("GET "+projectsPath+"/projects", p.serve(p.list))
	mux.HandleFunc("GET "+projectsPath+"/projects/{name}", p.serve(p.get))
	mux.HandleFunc("PATCH "+projectsPath+"/projects/{name}", p.serve(p.patch))
	mux.HandleFunc("DELETE "+projectsPath+"/projects/{name}", p.serve(p.remove))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		down := p.down
		p.mu.Unlock()
		if down {
			writeStatus(w, apierrors.NewServiceUnavailable("the server is currently unable to handle the request"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serve writes what an operation returns, or its error as a Status.
func (p *Projects) serve(operation func(*http.Request) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, body, err := operation(r)
		if err != nil {
			writeStatus(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, status, body)
	}
}

func writeStatus(w http.ResponseWriter, err error) {
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, int(status.Code), status)
}

func discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: projectv1.GroupName + "/" + projectsVersion,
		APIResources: []metav1.APIResource{
			{Name: "projectrequests", SingularName: "projectrequest", Kind: "ProjectRequest", Verbs: metav1.Verbs{"create", "list"}},
			{Name: "projects", SingularName: "project", Kind: "Project", Verbs: metav1.Verbs{"delete", "get", "list", "patch"}},
		},
	})
}

func (p *Projects) list(r *http.Request) (int, any, error) {
	namespaces := &corev1.NamespaceList{}
	if err := p.api.List(r.Context(), namespaces); err != nil {
		return 0, nil, err
	}
	out := &projectv1.ProjectList{
		TypeMeta: metav1.TypeMeta{Kind: "ProjectList", APIVersion: projectv1.GroupVersion.String()},
		ListMeta: metav1.ListMeta{ResourceVersion: namespaces.ResourceVersion},
		Items:    []projectv1.Project{},
	}
	for i := range namespaces.Items {
		out.Items = append(out.Items, *projectOf(&namespaces.Items[i]))
	}
	return http.StatusOK, out, nil
}

func (p *Projects) get(r *http.Request) (int, any, error) {
	namespace, err := p.namespace(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, projectOf(namespace), nil
}

// remove deletes the namespace behind a project, under the preconditions of the
// request.
func (p *Projects) remove(r *http.Request) (int, any, error) {
	options := &metav1.DeleteOptions{}
	if err := json.NewDecoder(r.Body).Decode(options); err != nil && !errors.Is(err, io.EOF) {
		return 0, nil, apierrors.NewBadRequest("the object provided is no DeleteOptions in JSON")
	}
	namespace, err := p.namespace(r)
	if err != nil {
		return 0, nil, err
	}
	if err := p.api.Delete(r.Context(), namespace, &client.DeleteOptions{Preconditions: options.Preconditions}); err != nil {
		if apierrors.IsNotFound(err) {
			err = apierrors.NewNotFound(resource("projects"), namespace.Name)
		}
		return 0, nil, err
	}
	return http.StatusOK, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess,
	}, nil
}

// patch takes a merge patch of display name and description, the only fields of
// a project that OpenShift lets anyone change there.
func (p *Projects) patch(r *http.Request) (int, any, error) {
	if kind := r.Header.Get("Content-Type"); kind != "application/merge-patch+json" {
		return 0, nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, "patch",
			resource("projects"), r.PathValue("name"), "only merge patches are played here", 0, true)
	}
	var change struct {
		Metadata struct {
			Annotations map[string]*string `json:"annotations"`
			Labels      map[string]*string `json:"labels"`
		} `json:"metadata"`
	}
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		return 0, nil, apierrors.NewBadRequest(err.Error())
	}
	namespace, err := p.namespace(r)
	if err != nil {
		return 0, nil, err
	}
	before := namespace.DeepCopy()
	var invalid field.ErrorList
	for key := range change.Metadata.Labels {
		invalid = append(invalid, immutable("labels", key))
	}
	for key, value := range change.Metadata.Annotations {
		switch {
		case key != displayNameKey && key != descriptionKey:
			invalid = append(invalid, immutable("annotations", key))
		case value == nil:
			delete(namespace.Annotations, key)
		default:
			metav1.SetMetaDataAnnotation(&namespace.ObjectMeta, key, *value)
		}
	}
	if len(invalid) > 0 {
		return 0, nil, apierrors.NewInvalid(schema.GroupKind{Group: projectv1.GroupName, Kind: "Project"}, namespace.Name, invalid)
	}
	if err := p.api.Patch(r.Context(), namespace, client.MergeFrom(before)); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, projectOf(namespace), nil
}

func immutable(kind, key string) *field.Error {
	return field.Invalid(field.NewPath("metadata", kind).Key(key), nil, "field is immutable, try updating the namespace")
}

// namespace reads the namespace behind a project.
func (p *Projects) namespace(r *http.Request) (*corev1.Namespace, error) {
	name := r.PathValue("name")
	namespace := &corev1.Namespace{}
	err := p.api.Get(r.Context(), client.ObjectKey{Name: name}, namespace)
	if apierrors.IsNotFound(err) {
		return nil, apierrors.NewNotFound(resource("projects"), name)
	}
	return namespace, err
}

// projectOf is the view that a project is of its namespace.
func projectOf(namespace *corev1.Namespace) *projectv1.Project {
	metadata := namespace.ObjectMeta.DeepCopy()
	metadata.ManagedFields = nil
	finalizers := []corev1.FinalizerName{projectv1.FinalizerOrigin}
	for _, finalizer := range namespace.Spec.Finalizers {
		if finalizer != projectv1.FinalizerOrigin {
			finalizers = append(finalizers, finalizer)
		}
	}
	return &projectv1.Project{
		TypeMeta:   metav1.TypeMeta{Kind: "Project", APIVersion: projectv1.GroupVersion.String()},
		ObjectMeta: *metadata,
		Spec:       projectv1.ProjectSpec{Finalizers: finalizers},
		Status:     projectv1.ProjectStatus{Phase: namespace.Status.Phase},
	}
}

func resource(name string) schema.GroupResource {
	return schema.GroupResource{Group: projectv1.GroupName, Resource: name}
}
