// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1_test holds the API against a real API server, without an operator.
package v1alpha1_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/test/env"
)

const crdName = "edgeregistries.edge.open-horizon.io"

var (
	control *env.Env
	admin   client.Client
)

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	log.SetLogger(logr.Discard())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	if control, err = env.Start(ctx, env.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := control.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	admin = control.Client()
	if err := installCRD(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// shippedCRD is the CustomResourceDefinition as config/default renders it.
func shippedCRD() (*unstructured.Unstructured, error) {
	rendered, err := control.Rendered()
	if err != nil {
		return nil, err
	}
	for _, object := range rendered {
		if object.GetKind() == "CustomResourceDefinition" && object.GetName() == crdName {
			return object, nil
		}
	}
	return nil, errors.New("config/default renders no CustomResourceDefinition " + crdName)
}

// installCRD returns when EdgeRegistries are served.
func installCRD(ctx context.Context) error {
	crd, err := shippedCRD()
	if err != nil {
		return err
	}
	if err := admin.Create(ctx, crd); err != nil {
		return fmt.Errorf("install %s: %w", crdName, err)
	}
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return admin.List(ctx, &edgev1.EdgeRegistryList{}) == nil, nil
	})
}

// object is an EdgeRegistry as a person writes it: a name, and a spec in YAML.
func object(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	content := map[string]any{}
	NewWithT(t).Expect(yaml.Unmarshal([]byte(spec), &content)).To(Succeed())
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": edgev1.GroupVersion.String(),
		"kind":       "EdgeRegistry",
		"metadata":   map[string]any{"name": name},
		"spec":       content,
	}}
}

// create stores an EdgeRegistry until the test ends.
func create(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	edge := object(t, name, spec)
	NewWithT(t).Expect(admin.Create(t.Context(), edge)).To(Succeed())
	t.Cleanup(func() { _ = admin.Delete(context.Background(), edge) })
	return edge
}

// refusal is the field and the message of each cause of a refused write, one a line.
func refusal(t *testing.T, err error) string {
	t.Helper()
	var status apierrors.APIStatus
	NewWithT(t).Expect(errors.As(err, &status)).To(BeTrue(), "%v", err)
	NewWithT(t).Expect(status.Status().Reason).To(Equal(metav1.StatusReasonInvalid), "%v", err)
	var causes []string
	for _, cause := range status.Status().Details.Causes {
		causes = append(causes, cause.Field+": "+cause.Message)
	}
	return strings.Join(causes, "\n")
}
