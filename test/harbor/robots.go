// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// robot is a robot of a project.
type robot struct {
	id                                        int64
	login, name, project, description, secret string
	disabled                                  bool
	created                                   time.Time
	duration                                  int64
	may                                       []access
}

type access struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

type permission struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Access    []access `json:"access"`
}

// body is a robot in a request and in an answer.
type body struct {
	ID           int64        `json:"id,omitempty"`
	Name         string       `json:"name"`
	Description  string       `json:"description"`
	Level        string       `json:"level"`
	Duration     int64        `json:"duration"`
	Disable      bool         `json:"disable"`
	Editable     bool         `json:"editable"`
	CreationTime time.Time    `json:"creation_time,omitzero"`
	ExpiresAt    int64        `json:"expires_at,omitempty"`
	Permissions  []permission `json:"permissions"`
	Secret       string       `json:"secret,omitempty"`
}

func (r *robot) has(resource, action string) bool {
	return slices.Contains(r.may, access{resource, action})
}

// expires is when it ends; far away for one that does not.
func (r *robot) expires() time.Time {
	if r.duration < 0 {
		return r.created.AddDate(1000, 0, 0)
	}
	return r.created.AddDate(0, 0, int(r.duration))
}

func (r *robot) body() body {
	until := int64(-1)
	if r.duration >= 0 {
		until = r.expires().Unix()
	}
	return body{
		ID: r.id, Name: r.login, Description: r.description, Level: "project", Duration: r.duration, Disable: r.disabled, Editable: true,
		CreationTime: r.created, ExpiresAt: until, Permissions: []permission{{"project", r.project, r.may}},
	}
}

func (h *Harbor) addRobot(project, name, description string, duration int64) *robot {
	h.lastID++
	r := &robot{
		id: h.lastID, login: h.options.Prefix + project + "+" + name, name: name, project: project, description: description,
		secret: newSecret(), created: h.clock.Now().UTC().Truncate(time.Millisecond), duration: duration,
	}
	h.robots = append(h.robots, r)
	return r
}

func (h *Harbor) getProject(who caller, r *http.Request) reply {
	name := r.PathValue("name")
	number, known := h.projects[name]
	if r.Header.Get("X-Is-Resource-Name") != "true" {
		if asked, err := strconv.ParseInt(name, 10, 64); err == nil {
			known = false
			for other, id := range h.projects {
				if id == asked {
					name, number, known = other, id, true
				}
			}
		}
	}
	switch {
	case !known && len(who.admins) == 0:
		// A user who may not see all projects does not learn which there are.
		return forbidden()
	case !known:
		return missing("project " + name)
	case !who.may(name, "project", "read"):
		return forbidden()
	}
	return reply{status: http.StatusOK, body: map[string]any{"project_id": number, "name": name, "owner_name": "admin"}}
}

var listQuery = regexp.MustCompile(`^Level=project,ProjectID=([0-9]+)$`)

func (h *Harbor) listRobots(who caller, r *http.Request) reply {
	asked := listQuery.FindStringSubmatch(r.URL.Query().Get("q"))
	if asked == nil {
		// Robots of the system are for its admins.
		return forbidden()
	}
	project := ""
	for name, id := range h.projects {
		if strconv.FormatInt(id, 10) == asked[1] {
			project = name
		}
	}
	if !who.may(project, "robot", "list") {
		return forbidden()
	}
	number := func(key string, otherwise int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(key)); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	page, size := number("page", 1), min(number("page_size", 10), 100)
	all := []body{}
	for _, one := range h.robots {
		if one.project == project {
			all = append(all, one.body())
		}
	}
	total := len(all)
	from := min((page-1)*size, total)
	return reply{
		status: http.StatusOK, header: http.Header{"X-Total-Count": {strconv.Itoa(total)}}, body: all[from:min(from+size, total)],
	}
}

var robotName = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

// malformed says what is wrong with a robot that is wanted; nothing where it can be made.
func (b body) malformed() string {
	switch {
	case !robotName.MatchString(b.Name) || len(b.Name) > 255:
		return "the robot name must match pattern"
	case b.Duration == 0 || b.Duration < -1:
		return "bad request error duration input"
	default:
		return ""
	}
}

func (h *Harbor) createRobot(who caller, r *http.Request) reply {
	var wanted body
	if json.NewDecoder(r.Body).Decode(&wanted) != nil {
		return failure(http.StatusBadRequest, "BAD_REQUEST", "the body is malformed")
	}
	if wanted.Level != "project" || len(wanted.Permissions) != 1 || wanted.Permissions[0].Kind != "project" {
		return failure(http.StatusBadRequest, "BAD_REQUEST", "bad request permission")
	}
	project := wanted.Permissions[0].Namespace
	if _, known := h.projects[project]; !known || !who.may(project, "robot", "create") {
		return forbidden()
	}
	if malformed := wanted.malformed(); malformed != "" {
		return failure(http.StatusBadRequest, "BAD_REQUEST", malformed)
	}
	for _, a := range wanted.Permissions[0].Access {
		if who.robot != nil && !who.robot.has(a.Resource, a.Action) {
			return failure(http.StatusForbidden, "DENIED", fmt.Sprintf(
				"permission scope is invalid. It must be equal to or more restrictive than the creator robot's permissions: %s", who.robot.login))
		}
	}
	for _, one := range h.robots {
		if one.project == project && one.name == wanted.Name {
			return failure(http.StatusConflict, "CONFLICT", "robot account already exists: "+one.login)
		}
	}
	made := h.addRobot(project, wanted.Name, wanted.Description, wanted.Duration)
	made.disabled, made.may = wanted.Disable, wanted.Permissions[0].Access
	shown := made.body()
	return reply{status: http.StatusCreated, header: http.Header{"Location": {fmt.Sprintf("/api/v2.0/robots/%d", made.id)}}, body: map[string]any{
		"id": shown.ID, "name": shown.Name, "secret": made.secret, "creation_time": shown.CreationTime, "expires_at": shown.ExpiresAt,
	}}
}

// robotFor finds the robot that a request is about, for a caller that may do an action; nil with an answer otherwise.
func (h *Harbor) robotFor(who caller, r *http.Request, action string) (*robot, reply) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, failure(http.StatusUnprocessableEntity, "UNPROCESSABLE_ENTITY", "robot_id in path must be of type int64")
	}
	for _, one := range h.robots {
		switch {
		case one.id != id:
		case !who.may(one.project, "robot", action):
			return nil, forbidden()
		default:
			return one, reply{}
		}
	}
	return nil, missing(fmt.Sprintf("robot %d", id))
}

func (h *Harbor) getRobot(who caller, r *http.Request) reply {
	found, refused := h.robotFor(who, r, "read")
	if found == nil {
		return refused
	}
	return reply{status: http.StatusOK, body: found.body()}
}

func (h *Harbor) updateRobot(who caller, r *http.Request) reply {
	found, refused := h.robotFor(who, r, "update")
	if found == nil {
		return refused
	}
	var wanted body
	if json.NewDecoder(r.Body).Decode(&wanted) != nil || len(wanted.Permissions) != 1 {
		return failure(http.StatusBadRequest, "BAD_REQUEST", "the body is malformed")
	}
	if wanted.Level != "project" || wanted.Name != found.login || wanted.Permissions[0].Namespace != found.project {
		return failure(http.StatusBadRequest, "BAD_REQUEST", "cannot update the level or name of robot")
	}
	found.description, found.disabled, found.duration, found.may = wanted.Description, wanted.Disable, wanted.Duration, wanted.Permissions[0].Access
	return reply{status: http.StatusOK}
}

// given is the form of a secret that Harbor takes.
func given(secret string) bool {
	return len(secret) >= 8 && len(secret) <= 128 && strings.ContainsAny(secret, "0123456789") &&
		strings.ContainsAny(secret, "abcdefghijklmnopqrstuvwxyz") && strings.ContainsAny(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

func (h *Harbor) refreshSecret(who caller, r *http.Request) reply {
	found, refused := h.robotFor(who, r, "update")
	if found == nil {
		return refused
	}
	var wanted struct{ Secret string }
	if json.NewDecoder(r.Body).Decode(&wanted) != nil || (wanted.Secret != "" && !given(wanted.Secret)) {
		return failure(http.StatusBadRequest, "BAD_REQUEST", "the secret must be 8-128, inclusively, characters long with at least 1 uppercase letter, 1 lowercase letter and 1 number")
	}
	if found.secret = wanted.Secret; wanted.Secret != "" {
		return reply{status: http.StatusOK, body: map[string]string{}}
	}
	found.secret = newSecret()
	return reply{status: http.StatusOK, body: map[string]string{"secret": found.secret}}
}

func (h *Harbor) deleteRobot(who caller, r *http.Request) reply {
	found, refused := h.robotFor(who, r, "delete")
	if found == nil {
		return refused
	}
	h.robots = slices.DeleteFunc(h.robots, func(one *robot) bool { return one == found })
	return reply{status: http.StatusOK}
}
