// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"net/http"
	"strconv"
	"strings"
)

// getPermissions returns what the caller may do in a project (src/server/v2.0/handler/user.go): a list, or null for nothing.
// Its numbers are those of projects, also of such as there are not.
func (h *Harbor) getPermissions(who caller, r *http.Request) reply {
	number, isProject := strings.CutPrefix(r.URL.Query().Get("scope"), "/project/")
	if !isProject || r.URL.Query().Get("relative") != "true" {
		return reply{status: http.StatusOK}
	}
	var may []access
	for name, id := range h.projects {
		if strconv.FormatInt(id, 10) != number {
			continue
		}
		for _, one := range everything {
			if who.may(name, one.Resource, one.Action) {
				may = append(may, wire(one))
			}
		}
	}
	return reply{status: http.StatusOK, body: may}
}

// wire is a permission as Harbor sends it: one for the project itself has no name of its own.
func wire(one access) access {
	if one.Resource == "project" {
		one.Resource = "."
	}
	return one
}
