// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"hash/fnv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Timestamp formats a time for annotations and messages: RFC 3339 in UTC; empty for the zero time.
func Timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// AnnotatedTime reads a time from an annotation; the zero time if there is none.
func AnnotatedTime(object metav1.Object, key string) time.Time {
	t, err := time.Parse(time.RFC3339, object.GetAnnotations()[key])
	if err != nil {
		return time.Time{}
	}
	return t
}

// StatusTime converts a time for the status; nil for the zero time.
func StatusTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	at := metav1.NewTime(t)
	return &at
}

// Earlier returns the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// PlaceOf maps a name to a fixed number from 0 to 1, to spread work that is due for many EdgeRegistries at once.
func PlaceOf(name string) float64 {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	return float64(hash.Sum32()) / (1 << 32)
}
