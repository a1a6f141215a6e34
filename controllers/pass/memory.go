// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

// Memories is what this process remembers of EdgeRegistries, by UID. It only saves work: without it, as after a restart, the next
// pass ends in the same state. The zero value is ready for use.
type Memories struct {
	// Forgotten is called for an EdgeRegistry that is gone, to release what else belongs to it; nil for nothing.
	Forgotten func(name string, uid types.UID)

	mu     sync.Mutex
	byUID  map[types.UID]*Memory
	byName map[string]types.UID
}

// Of returns the memory of one EdgeRegistry, and forgets an earlier one of its name.
func (m *Memories) Of(edge *edgev1.EdgeRegistry) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, known := m.byName[edge.Name]; known && before != edge.UID {
		m.forget(edge.Name)
	}
	if m.byUID == nil {
		m.byUID, m.byName = map[types.UID]*Memory{}, map[string]types.UID{}
	}
	memory := m.byUID[edge.UID]
	if memory == nil {
		memory = &Memory{}
		m.byUID[edge.UID], m.byName[edge.Name] = memory, edge.UID
	}
	return memory
}

// Forget drops the memory of the EdgeRegistry of a name, which is gone.
func (m *Memories) Forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(name)
}

func (m *Memories) forget(name string) {
	uid := m.byName[name]
	delete(m.byUID, uid)
	delete(m.byName, name)
	if m.Forgotten != nil {
		m.Forgotten(name, uid)
	}
}

// Memory is what this process remembers of one EdgeRegistry from pass to pass: one value for each type that is asked for. Passes
// over one EdgeRegistry are sequential, so only values that several goroutines of a pass use need a lock.
type Memory struct {
	mu    sync.Mutex
	parts map[reflect.Type]any
}

// Part returns the value of a type in a memory, at first its zero value.
func Part[T any](m *Memory) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := reflect.TypeFor[T]()
	part, known := m.parts[key].(*T)
	if !known {
		if m.parts == nil {
			m.parts = map[reflect.Type]any{}
		}
		part = new(T)
		m.parts[key] = part
	}
	return part
}
