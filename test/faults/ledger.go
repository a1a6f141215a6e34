// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// credentialIDKey is what the API server notes of each TokenRequest that it grants, in its audit log.
const credentialIDKey = "authentication.kubernetes.io/issued-credential-id"

// ledger knows the id of every token that the API server issued, by its own account: the audit log.
type ledger struct {
	mu sync.Mutex
	// ids are by the namespace of the service account.
	ids map[string][]string
}

func startLedger(ctx context.Context, auditLog string) *ledger {
	l := &ledger{ids: map[string][]string{}}
	go l.follow(ctx, auditLog)
	return l
}

// follow reads the log as it grows.
func (l *ledger) follow(ctx context.Context, auditLog string) {
	file, err := os.Open(auditLog)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	reader, line := bufio.NewReaderSize(file, 1<<20), []byte{}
	for ctx.Err() == nil {
		part, err := reader.ReadBytes('\n')
		line = append(line, part...)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(often):
			}
			continue
		}
		l.enter(line)
		line = line[:0]
	}
}

func (l *ledger) enter(line []byte) {
	if !bytes.Contains(line, []byte(credentialIDKey)) {
		return
	}
	event := struct {
		ObjectRef   struct{ Namespace string }
		Annotations map[string]string
	}{}
	if json.Unmarshal(line, &event) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	namespace := event.ObjectRef.Namespace
	l.ids[namespace] = append(l.ids[namespace], strings.TrimPrefix(event.Annotations[credentialIDKey], "JTI="))
}

// issued are the ids of the tokens of service accounts in a namespace, sorted.
func (l *ledger) issued(namespace string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.ids[namespace]))
}
