// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// reply is an answer of the API.
type reply struct {
	status int
	header http.Header
	body   any
}

func (r reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(r.status)
	if r.body != nil {
		_ = json.NewEncoder(w).Encode(r.body)
	}
}

// failure is an error as Harbor writes it (src/lib/errors).
func failure(status int, code, message string) reply {
	return reply{status: status, body: map[string]any{"errors": []map[string]string{{"code": code, "message": message}}}}
}

// caller is who asks.
type caller struct {
	// admins are the projects of a person who administers them, and maintains those of one who maintains them; robot is the robot
	// that asks, or nil.
	admins, maintains []string
	robot             *robot
}

// maintainer is what a maintainer of a project may do there (src/common/rbac/project/rbac_role.go), and everything what is known
// here.
var (
	maintainer = []access{{"project", "read"}, {"robot", "list"}, {"robot", "read"}, {"repository", "pull"}, {"repository", "push"}}
	everything = append(slices.Clone(maintainer), access{"robot", "create"}, access{"robot", "update"}, access{"robot", "delete"}, access{"member", "list"})
)

// may reports whether the caller has a right in a project.
func (c caller) may(project, resource, action string) bool {
	if slices.Contains(c.admins, project) || (slices.Contains(c.maintains, project) && slices.Contains(maintainer, access{resource, action})) {
		return true
	}
	return c.robot != nil && c.robot.project == project && c.robot.has(resource, action)
}

// known has those served who show a login that works. Without one the API answers 401, as for a wrong one.
func (h *Harbor) known(serve func(caller, *http.Request) reply) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		name, secret, _ := r.BasicAuth()
		who := h.identify(name, secret)
		if who == nil {
			failure(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized").write(w)
			return
		}
		serve(*who, r).write(w)
	})
}

// identify finds whose login it is; nil for none that works.
func (h *Harbor) identify(name, secret string) *caller {
	if known, found := h.users[name]; found && known.password == secret {
		return &caller{admins: known.projects, maintains: known.maintains}
	}
	for _, r := range h.robots {
		if r.login == name && r.secret == secret && !r.disabled && (r.duration < 0 || h.clock.Now().Before(r.expires())) {
			return &caller{robot: r}
		}
	}
	return nil
}

func forbidden() reply { return failure(http.StatusForbidden, "FORBIDDEN", "forbidden") }

func missing(what string) reply { return failure(http.StatusNotFound, "NOT_FOUND", what+" not found") }
