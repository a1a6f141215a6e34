// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/remote"
)

// Robot is a robot of a project.
type Robot struct {
	ID int64 `json:"id"`
	// Name is its user name, such as robot$plant+edge: a prefix that Harbor's admins choose, the project, a '+' and its own name.
	Name        string `json:"name"`
	Description string `json:"description"`
	Level       string `json:"level"`
	// Duration is how many days it works after its creation; -1 for ever.
	Duration int64 `json:"duration"`
	Disable  bool  `json:"disable"`
	// CreationTime is when it was made, and ExpiresAt when Harbor ends it, as a Unix time in seconds; -1 for never.
	CreationTime time.Time `json:"creation_time"`
	ExpiresAt    int64     `json:"expires_at"`
	// Permissions are what it may do, as Harbor wrote them.
	Permissions json.RawMessage `json:"permissions"`
}

// Wanted is a robot to create.
type Wanted struct {
	Project string
	// Name is its own: parts of lower-case letters and digits, joined by '.', '_' or '-'.
	Name, Description string
	// Days is how many days it works.
	Days int64
	// Push: it may push as well as pull.
	Push bool
}

// Made is a new robot with its secret, which Harbor returns only once.
type Made struct {
	ID           int64
	Name         string
	CreationTime time.Time
	Secret       credential.Token
}

type permission struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Access    []access `json:"access"`
}

type access struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

// permission is what the robot is allowed.
func (w Wanted) permission() permission {
	rights := []access{{"repository", "pull"}}
	if w.Push {
		rights = append(rights, access{"repository", "push"})
	}
	return permission{"project", w.Project, rights}
}

// MayAs reports whether a robot is allowed exactly what a wanted one is.
func (r Robot) MayAs(w Wanted) bool {
	var granted []permission
	want := w.permission()
	if json.Unmarshal(r.Permissions, &granted) != nil || len(granted) != 1 || granted[0].Kind != want.Kind || granted[0].Namespace != want.Namespace {
		return false
	}
	lackedBy := func(all []access) func(access) bool {
		return func(one access) bool { return !slices.Contains(all, one) }
	}
	return !slices.ContainsFunc(granted[0].Access, lackedBy(want.Access)) && !slices.ContainsFunc(want.Access, lackedBy(granted[0].Access))
}

// CreateRobot makes a robot of a project. After an error of the kinds Unavailable and Unexpected it may exist.
func (c *Client) CreateRobot(ctx context.Context, w Wanted) (Made, error) {
	r := request{op: "make robot " + w.Name + " in project " + w.Project, method: http.MethodPost, path: "/robots", permission: "robot:create", host: c.host}
	r.body = map[string]any{
		"name": w.Name, "description": w.Description, "level": "project", "duration": w.Days, "disable": false,
		"permissions": []permission{w.permission()},
	}
	var made struct {
		ID           int64     `json:"id"`
		Name         string    `json:"name"`
		Secret       string    `json:"secret"`
		CreationTime time.Time `json:"creation_time"`
	}
	if _, err := c.do(ctx, r, &made); err != nil {
		return Made{}, err
	}
	if made.ID <= 0 || made.Name == "" || made.Secret == "" || made.CreationTime.IsZero() {
		return Made{}, r.fail(Unexpected, http.StatusCreated, remote.Malformed)
	}
	return Made{made.ID, made.Name, made.CreationTime, credential.NewToken(made.Secret)}, nil
}

const (
	// robotsPage is how many robots a page has, the most that Harbor allows, and maxRobots how many are read.
	robotsPage = 100
	maxRobots  = 10_000
)

// Robots lists the robots of a project.
func (c *Client) Robots(ctx context.Context, project Project) ([]Robot, error) {
	r := request{op: "list the robots of project " + project.Name, method: http.MethodGet, path: "/robots", permission: "robot:list", host: c.host}
	var all []Robot
	for page := 1; page <= maxRobots/robotsPage; page++ {
		r.query = url.Values{
			"q":    {fmt.Sprintf("Level=project,ProjectID=%d", project.ID)},
			"page": {strconv.Itoa(page)}, "page_size": {strconv.Itoa(robotsPage)}, "sort": {"id"},
		}
		var some []Robot
		header, err := c.do(ctx, r, &some)
		if err != nil {
			return nil, err
		}
		// An empty list of Harbor's is [] and not null, and each robot in a list has an id and a name.
		if some == nil || slices.ContainsFunc(some, func(one Robot) bool { return one.ID <= 0 || one.Name == "" }) {
			return nil, r.fail(Unexpected, http.StatusOK, remote.Malformed)
		}
		all = append(all, some...)
		total, err := strconv.Atoi(header.Get("X-Total-Count"))
		if len(some) == 0 || (err == nil && len(all) >= total) || (err != nil && len(some) < robotsPage) {
			return all, nil
		}
	}
	return nil, r.fail(Unexpected, http.StatusOK, "its list has no end")
}

// Robot reads a robot.
func (c *Client) Robot(ctx context.Context, id int64) (Robot, error) {
	r := c.on(id, "read", http.MethodGet)
	var found Robot
	if _, err := c.do(ctx, r, &found); err != nil {
		return Robot{}, err
	}
	if found.ID != id {
		return Robot{}, r.fail(Unexpected, http.StatusOK, remote.Malformed)
	}
	return found, nil
}

// DisableRobot disables a robot as it was read, and changes nothing else.
func (c *Client) DisableRobot(ctx context.Context, robot Robot) error {
	r := c.on(robot.ID, "update", http.MethodPut)
	r.op = fmt.Sprintf("disable robot %d", robot.ID)
	r.body = map[string]any{
		"id": robot.ID, "name": robot.Name, "description": robot.Description, "level": robot.Level, "duration": robot.Duration,
		"permissions": robot.Permissions, "disable": true,
	}
	_, err := c.do(ctx, r, nil)
	return err
}

// RefreshSecret gives a robot a new secret. The previous one stops working.
func (c *Client) RefreshSecret(ctx context.Context, id int64) (credential.Token, error) {
	r := c.on(id, "update", http.MethodPatch)
	r.op = fmt.Sprintf("give robot %d another secret", id)
	r.body = map[string]string{"secret": ""}
	var made struct {
		Secret string `json:"secret"`
	}
	if _, err := c.do(ctx, r, &made); err != nil {
		return credential.Token{}, err
	}
	if made.Secret == "" {
		return credential.Token{}, r.fail(Unexpected, http.StatusOK, remote.Malformed)
	}
	return credential.NewToken(made.Secret), nil
}

// DeleteRobot deletes a robot. An absent one is no error.
func (c *Client) DeleteRobot(ctx context.Context, id int64) error {
	if _, err := c.do(ctx, c.on(id, "delete", http.MethodDelete), nil); err != nil && KindOf(err) != NotFound {
		return err
	}
	return nil
}

// on returns a request about a robot.
func (c *Client) on(id int64, action, method string) request {
	return request{
		op: fmt.Sprintf("%s robot %d", action, id), method: method, path: "/robots/" + strconv.FormatInt(id, 10), permission: "robot:" + action, host: c.host,
	}
}
