// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"bytes"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// contains reports whether have holds all of want. Lists are compared whole, except owner references, to which others may add
// theirs.
func contains(have, want any) bool {
	wanted, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(have, want)
	}
	held, ok := have.(map[string]any)
	if !ok {
		return false
	}
	for key, value := range wanted {
		switch {
		case key == "apiVersion" || key == "kind":
			// A typed object that was read does not repeat its kind.
		case key == "ownerReferences":
			if !containsAll(held[key], value) {
				return false
			}
		case !contains(held[key], value):
			return false
		}
	}
	return true
}

func containsAll(have, want any) bool {
	held, _ := have.([]any)
	wanted, _ := want.([]any)
	for _, value := range wanted {
		found := false
		for _, candidate := range held {
			found = found || reflect.DeepEqual(candidate, value)
		}
		if !found {
			return false
		}
	}
	return true
}

// ownsMore reports whether the operator owns a label, an annotation or a data key of the live object that is no longer desired.
func ownsMore(live client.Object, want *unstructured.Unstructured) bool {
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != FieldManager || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		if ownsMoreIn(entry, want) {
			return true
		}
	}
	return false
}

func ownsMoreIn(entry metav1.ManagedFieldsEntry, want *unstructured.Unstructured) bool {
	owned := &fieldpath.Set{}
	if err := owned.FromJSON(bytes.NewReader(entry.FieldsV1.GetRawBytes())); err != nil {
		return false
	}
	more := false
	owned.Leaves().Iterate(func(path fieldpath.Path) {
		keys := fieldNames(path)
		if keys == nil {
			return
		}
		_, found, err := unstructured.NestedFieldNoCopy(want.Object, keys...)
		more = more || (!found && err == nil)
	})
	return more
}

// fieldNames returns the path of an entry of one of the maps that a user may add to, or nil.
func fieldNames(path fieldpath.Path) []string {
	keys := make([]string, 0, len(path))
	for _, element := range path {
		if element.FieldName == nil {
			return nil
		}
		keys = append(keys, *element.FieldName)
	}
	switch {
	case len(keys) == 3 && keys[0] == "metadata" && (keys[1] == "labels" || keys[1] == "annotations"):
		return keys
	case len(keys) == 2 && keys[0] == "data":
		return keys
	default:
		return nil
	}
}
