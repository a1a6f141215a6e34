// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/operator"
)

// stops ends what cluster started, the latest first.
var stops []func()

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	for len(stops) > 0 {
		stops[len(stops)-1]()
		stops = stops[:len(stops)-1]
	}
	os.Exit(code)
}

// cluster is a control plane with the stand-ins of OpenShift and the operator at work. It starts
// with the first test that asks for it: most tests of documents need none.
func cluster(t *testing.T) *env.Env {
	t.Helper()
	control, err := startCluster()
	if err != nil {
		t.Fatal(err)
	}
	return control
}

var startCluster = sync.OnceValues(func() (*env.Env, error) {
	control, stop, err := operator.StartAll(context.Background())
	stops = append(stops, stop)
	return control, err
})
