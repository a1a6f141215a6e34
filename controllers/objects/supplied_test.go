// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A ConfigMap has two maps, and the API server takes a key in one of them alone.
func TestWhatAConfigMapHoldsUnderAKey(t *testing.T) {
	const key = "ca-bundle.crt"
	latin := "# Gr\xfc\xdfe\n"
	for name, tt := range map[string]struct {
		data   map[string]string
		binary map[string][]byte
		want   string
	}{
		"nothing":                 {nil, nil, ""},
		"another key":             {map[string]string{"ca.crt": "x"}, map[string][]byte{"tls.crt": []byte("y")}, ""},
		"the key in another case": {map[string]string{"CA-bundle.crt": "x"}, nil, ""},
		"an empty value":          {map[string]string{key: ""}, nil, ""},
		"text":                    {map[string]string{key: "x"}, nil, "x"},
		"what is not UTF-8":       {nil, map[string][]byte{key: []byte(latin)}, latin},
		"empty text, and bytes":   {map[string]string{key: ""}, map[string][]byte{key: []byte("y")}, "y"},
		"text, and bytes beside":  {map[string]string{key: "x"}, map[string][]byte{key: []byte("y")}, "x"},
		"bytes under another key": {nil, map[string][]byte{"ca.crt": []byte("y")}, ""},
		"bytes that are empty":    {nil, map[string][]byte{key: {}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(TextOf(&corev1.ConfigMap{Data: tt.data, BinaryData: tt.binary}, key)).To(Equal(tt.want))
		})
	}
}

// What people write on a Secret, and how.
func TestWhatIsListedInAnAnnotation(t *testing.T) {
	for name, tt := range map[string]struct {
		value string
		want  []string
	}{
		"empty": {"", nil}, "one": {"a", []string{"a"}}, "commas": {"a,b", []string{"a", "b"}}, "a comma at the end": {"a,", []string{"a"}},
		"commas and blanks": {" a , b ", []string{"a", "b"}}, "lines": {"a\nb\n", []string{"a", "b"}}, "the same twice": {"a,a", []string{"a", "a"}},
		"nothing but commas": {", ,", nil}, "lines of Windows": {"a\r\nb\r\n", []string{"a", "b"}}, "blanks of a web page": {"a\u00a0b", []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"x": tt.value}}}
			NewWithT(t).Expect(Listed(secret, "x")).To(HaveExactElements(toAny(tt.want)...))
		})
	}
	NewWithT(t).Expect(Listed(&corev1.Secret{}, "x")).To(BeEmpty())
}

func toAny(words []string) []any {
	var all []any
	for _, word := range words {
		all = append(all, word)
	}
	return all
}
