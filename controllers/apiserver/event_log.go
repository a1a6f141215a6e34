// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// LogEvents returns a recorder that logs each event besides. The cluster forgets events after an hour, and whoever asks later
// what the operator did has its log.
func LogEvents(recorder events.EventRecorder, log logr.Logger) events.EventRecorder {
	return loggedEvents{recorder, log}
}

type loggedEvents struct {
	next events.EventRecorder
	log  logr.Logger
}

// Eventf implements events.EventRecorder.
func (l loggedEvents) Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any) {
	message := fmt.Sprintf(note, args...)
	values := []any{"reason", reason, "type", eventtype}
	if object, err := meta.Accessor(regarding); err == nil {
		values = append(values, "edgeRegistry", object.GetName())
	}
	l.log.Info(message, values...)
	l.next.Eventf(regarding, related, eventtype, reason, action, "%s", message)
}
