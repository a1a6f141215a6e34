// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestWhetherALiveObjectHoldsWhatIsDesired(t *testing.T) {
	const owner, other = `{"uid":"1","kind":"EdgeRegistry"}`, `{"uid":"2","kind":"Other"}`
	tests := map[string]struct {
		have, want string
		holds      bool
	}{
		"the same":                 {`{"a":"b"}`, `{"a":"b"}`, true},
		"more than desired":        {`{"metadata":{"labels":{"a":"b","c":"d"}}}`, `{"metadata":{"labels":{"a":"b"}}}`, true},
		"another value":            {`{"metadata":{"labels":{"a":"x"}}}`, `{"metadata":{"labels":{"a":"b"}}}`, false},
		"an absent key":            {`{"metadata":{}}`, `{"metadata":{"labels":{"a":"b"}}}`, false},
		"no map where one is":      {`{"metadata":"x"}`, `{"metadata":{"labels":{}}}`, false},
		"the kind is not repeated": {`{"a":"b"}`, `{"apiVersion":"v1","kind":"Secret","a":"b"}`, true},
		"a list with more":         {`{"subjects":[1,2]}`, `{"subjects":[1]}`, false},
		"a list in another order":  {`{"subjects":[2,1]}`, `{"subjects":[1,2]}`, false},
		"another owner besides":    {`{"ownerReferences":[` + other + `,` + owner + `]}`, `{"ownerReferences":[` + owner + `]}`, true},
		"the owner is gone":        {`{"ownerReferences":[` + other + `]}`, `{"ownerReferences":[` + owner + `]}`, false},
		"no owners at all":         {`{}`, `{"ownerReferences":[` + owner + `]}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var have, want map[string]any
			g.Expect(json.Unmarshal([]byte(test.have), &have)).To(Succeed())
			g.Expect(json.Unmarshal([]byte(test.want), &want)).To(Succeed())
			g.Expect(contains(have, want)).To(Equal(test.holds))
		})
	}
}

func TestWhetherTheOperatorOwnsWhatIsDesiredNoMore(t *testing.T) {
	fields := `{"f:metadata":{"f:labels":{".":{},"f:team":{}},"f:annotations":{"f:note":{}}},"f:data":{"f:extra":{}},"f:type":{}}`
	entry := func(manager, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Subresource: subresource, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
		}
	}
	all := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"team": "a"}, "annotations": map[string]any{"note": "b"}},
		"data":     map[string]any{"extra": "Yw=="},
	}
	without := func(path ...string) map[string]any {
		copied := (&unstructured.Unstructured{Object: all}).DeepCopy().Object
		unstructured.RemoveNestedField(copied, path...)
		return copied
	}
	tests := map[string]struct {
		entry metav1.ManagedFieldsEntry
		want  map[string]any
		more  bool
	}{
		"all is desired":               {entry(FieldManager, "", fields), all, false},
		"a label is desired no more":   {entry(FieldManager, "", fields), without("metadata", "labels", "team"), true},
		"an annotation no more":        {entry(FieldManager, "", fields), without("metadata", "annotations", "note"), true},
		"a key no more":                {entry(FieldManager, "", fields), without("data", "extra"), true},
		"no labels at all any more":    {entry(FieldManager, "", fields), without("metadata", "labels"), true},
		"another manager's label":      {entry("kubectl", "", fields), without("metadata", "labels", "team"), false},
		"its label of a subresource":   {entry(FieldManager, "status", fields), without("metadata", "labels", "team"), false},
		"fields that cannot be read":   {entry(FieldManager, "", `no JSON`), without("metadata", "labels", "team"), false},
		"a field that is no map entry": {entry(FieldManager, "", `{"f:type":{}}`), all, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			live := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{test.entry}}}
			NewWithT(t).Expect(ownsMore(live, &unstructured.Unstructured{Object: test.want})).To(Equal(test.more))
		})
	}
}
