// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// auditLog is the path of the API server's audit log, by which requests are counted: the API server
// itself says what it was asked.
type auditLog string

// end is the place where the log ends now.
func (l auditLog) end() (int64, error) {
	info, err := os.Stat(string(l))
	if err != nil {
		return 0, fmt.Errorf("read the audit log: %w", err)
	}
	return info.Size(), nil
}

// since counts the requests that were sent under a user agent from a place in the log on.
func (l auditLog) since(offset int64, agent string) (requests, error) {
	file, err := os.Open(string(l))
	if err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the audit log: %w", err)
	}
	counts := requests{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		event := auditv1.Event{}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		// A watch is logged when it begins, and again when it ends.
		if strings.HasPrefix(event.UserAgent, agent) && (event.Verb != "watch" || event.Stage == auditv1.StageResponseStarted) {
			counts[nameOf(event)]++
		}
	}
	return counts, lines.Err()
}

// nameOf is a request without the names of objects.
func nameOf(event auditv1.Event) string {
	if event.ObjectRef == nil {
		return event.Verb + " " + event.RequestURI
	}
	if event.ObjectRef.Resource == "events" && event.ObjectRef.Namespace == operatorNamespace {
		return event.Verb + " leases" // The event that names the holder of the lease.
	}
	name := event.Verb + " " + event.ObjectRef.Resource
	if event.ObjectRef.Subresource != "" {
		name += "/" + event.ObjectRef.Subresource
	}
	return name
}
