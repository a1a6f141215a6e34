// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Request asks the operator for something, by a new value of an annotation. It reads nothing and changes nothing else. The
// EdgeRegistry must still be the one that was read.
func (c *Cluster) Request(ctx context.Context, edge *edgev1.EdgeRegistry, annotation, value string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": edge.UID, "annotations": map[string]string{annotation: value},
	}})
	if err != nil {
		return fmt.Errorf("encode the annotation %s: %w", annotation, err)
	}
	object := &edgev1.EdgeRegistry{ObjectMeta: metav1.ObjectMeta{Name: edge.Name}}
	err = c.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("kubectl-edgereg"))
	if err != nil {
		return explain(err, right{verb: "patch", what: "the EdgeRegistry " + edge.Name, ask: askEditor})
	}
	return nil
}
