// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	configv1 "github.com/openshift/api/config/v1"
	imageregistryv1 "github.com/openshift/api/imageregistry/v1"
	projectv1 "github.com/openshift/api/project/v1"
	routev1 "github.com/openshift/api/route/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// NewManager returns a manager whose cache holds EdgeRegistries and nothing else, and sets the
// reconciler up in it. The caller's options say how the process runs: metrics, health, election.
func NewManager(config *rest.Config, options ctrl.Options, r *EdgeRegistryReconciler) (ctrl.Manager, error) {
	config = tuned(config)
	options.Scheme = newScheme()
	options.MapperProvider = restMapper
	options.Cache = cache.Options{
		// A read that no informer was meant for is a mistake, and would ask for rights that the operator lacks.
		ReaderFailOnMissingInformer: true,
		ByObject: map[client.Object]cache.ByObject{
			&edgev1.EdgeRegistry{}: {Transform: cache.TransformStripManagedFields()},
		},
	}
	mgr, err := ctrl.NewManager(r.occasions.noticing(config), options)
	if err != nil {
		return nil, fmt.Errorf("set up the manager: %w", err)
	}
	if err := r.connect(config, client.Options{
		HTTPClient: mgr.GetHTTPClient(), Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(),
	}); err != nil {
		return nil, err
	}
	r.Edges = mgr.GetCache()
	r.Recorder = mgr.GetEventRecorder(fieldManager)
	if err := r.SetupWithManager(mgr); err != nil {
		return nil, fmt.Errorf("set up the controller: %w", err)
	}
	return mgr, nil
}

// Connect readies the reconciler for passes that the caller makes itself, without a manager: nothing wakes it, and
// EdgeRegistries are read live. It needs a Recorder.
func (r *EdgeRegistryReconciler) Connect(config *rest.Config) error {
	config = tuned(config)
	http, err := rest.HTTPClientFor(r.occasions.noticing(config))
	if err != nil {
		return fmt.Errorf("set up the client: %w", err)
	}
	mapper, err := restMapper(config, http)
	if err != nil {
		return fmt.Errorf("set up the client: %w", err)
	}
	if err := r.connect(config, client.Options{HTTPClient: http, Scheme: newScheme(), Mapper: mapper}); err != nil {
		return err
	}
	r.Edges = r.WithWatch
	return r.prepare()
}

func (r *EdgeRegistryReconciler) connect(config *rest.Config, options client.Options) error {
	var err error
	if r.WithWatch, err = client.NewWithWatch(config, options); err != nil {
		return fmt.Errorf("set up the client: %w", err)
	}
	plain := rest.CopyConfig(config)
	plain.NegotiatedSerializer = clientgoscheme.Codecs.WithoutConversion()
	api, err := rest.UnversionedRESTClientForConfigAndClient(plain, options.HTTPClient)
	if err != nil {
		return fmt.Errorf("set up the client for watches and keys: %w", err)
	}
	r.watcher = newWatcher(api, options.Mapper)
	r.signingKeys.api = api
	r.anonymous = withoutCredentials(config)
	return nil
}

// tuned leaves it to the API server to say how much is too much, by its priority and fairness, has no watch last for
// ever, and lets no error repeat a token.
func tuned(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.Wrap(boundWatches)
	config.Wrap(withoutRepeats)
	return config
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme,
		edgev1.AddToScheme,
		configv1.Install,
		imageregistryv1.Install,
		projectv1.Install,
		routev1.Install,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}
