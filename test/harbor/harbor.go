// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/platform"
	"github.com/edge-registry/edge-registry-operator/test/standin"
)

// Options of New.
type Options struct {
	// Clock is Harbor's; the real one by default. Certificates are of the real time always.
	Clock clock.PassiveClock
	// Registry is the program that distribution.Build made, which keeps the images, in the folder Images. Without a program
	// there is a registry that stores nothing: every repository that is asked for is absent, but those of Repositories.
	Registry, Images string
	// Prefix is that of the robots' logins; robot$ by default.
	Prefix string
}

// Harbor is a running stand-in. Its methods are safe for concurrent use.
type Harbor struct {
	// Host is localhost with the port, and CA signed its certificate.
	Host string
	CA   *platform.CA
	// Journal holds the calls of the API and of the token endpoint, and what goes wrong with them.
	*standin.Journal

	options Options
	clock   clock.PassiveClock
	server  *httptest.Server
	routes  *http.ServeMux
	images  *distribution.Registry
	ended   context.Context
	end     context.CancelFunc

	mu       sync.Mutex
	projects map[string]int64
	users    map[string]user
	robots   []*robot
	lastID   int64
	tokens   map[string]token
	there    map[string]bool
}

// user is a person's account: an admin of projects, and a maintainer of others.
type user struct {
	password            string
	projects, maintains []string
}

// Robot is a robot as the stand-in knows it.
type Robot struct {
	ID                         int64
	Name, Project, Description string
	Disabled                   bool
	Created, Expires           time.Time
}

// New runs a stand-in until Close.
func New(ctx context.Context, o Options) (*Harbor, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Prefix == "" {
		o.Prefix = "robot$"
	}
	h := &Harbor{
		CA: platform.NewCA("Harbor's CA"), Journal: standin.NewJournal(standin.Plain), options: o, clock: o.Clock,
		projects: map[string]int64{}, users: map[string]user{}, tokens: map[string]token{}, there: map[string]bool{},
	}
	h.ended, h.end = context.WithCancel(context.WithoutCancel(ctx))
	if o.Registry != "" {
		images, err := distribution.Start(h.ended, o.Registry, o.Images, distribution.Nothing)
		if err != nil {
			h.end()
			return nil, err
		}
		h.images = images
	}
	h.route()
	h.server = httptest.NewUnstartedServer(h)
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.server.Config.BaseContext = func(net.Listener) context.Context { return h.ended }
	h.server.TLS = &tls.Config{Certificates: []tls.Certificate{h.CA.Leaf("localhost")}, MinVersion: tls.VersionTLS12}
	h.server.StartTLS()
	h.Host = "localhost:" + h.server.URL[strings.LastIndex(h.server.URL, ":")+1:]
	return h, nil
}

// Close ends it.
func (h *Harbor) Close() {
	h.end()
	h.server.CloseClientConnections()
	h.server.Close()
	if h.images != nil {
		h.images.Stop()
	}
}

func (h *Harbor) route() {
	h.routes = http.NewServeMux()
	for pattern, serve := range map[string]func(caller, *http.Request) reply{
		"GET /api/v2.0/projects/{name}":           h.getProject,
		"GET /api/v2.0/users/current/permissions": h.getPermissions,
		"GET /api/v2.0/robots":                    h.listRobots,
		"POST /api/v2.0/robots":                   h.createRobot,
		"GET /api/v2.0/robots/{id}":               h.getRobot,
		"PUT /api/v2.0/robots/{id}":               h.updateRobot,
		"PATCH /api/v2.0/robots/{id}":             h.refreshSecret,
		"DELETE /api/v2.0/robots/{id}":            h.deleteRobot,
	} {
		h.routes.Handle(pattern, h.known(serve))
	}
	h.routes.HandleFunc("/service/token", h.giveToken)
	h.routes.HandleFunc("/v2/", h.serveRegistry)
	h.routes.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		failure(http.StatusNotFound, "NOT_FOUND", "not found").write(w)
	})
}

// AddProject makes a project and returns its number.
func (h *Harbor) AddProject(name string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.projects[name] = int64(len(h.projects) + 2)
	return h.projects[name]
}

// AddAdmin makes the account of a person who administers projects.
func (h *Harbor) AddAdmin(name, password string, projects ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[name] = user{password: password, projects: projects}
}

// AddMaintainer makes the account of a person who maintains projects: one who sees robots and makes none.
func (h *Harbor) AddMaintainer(name, password string, projects ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[name] = user{password: password, maintains: projects}
}

// AddRobot makes a robot of a project, as an admin would, and returns its login. Rights are such as robot:create or
// repository:pull.
func (h *Harbor) AddRobot(project, name, description string, rights ...string) (login, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.addRobot(project, name, description, -1)
	r.may = accesses(rights)
	return r.login, r.secret
}

// Imitate makes a robot like another, with a name and rights of its own, as an admin would, and returns its id.
func (h *Harbor) Imitate(id int64, name string, rights ...string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.robots, func(r *robot) bool { return r.id == id })
	r := h.addRobot(h.robots[i].project, name, h.robots[i].description, h.robots[i].duration)
	r.may = accesses(rights)
	return r.id
}

// Grant gives the robots of a name other rights than they had, as an admin does.
func (h *Harbor) Grant(name string, rights ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.robots {
		if r.name == name {
			r.may = accesses(rights)
		}
	}
}

func accesses(rights []string) []access {
	var all []access
	for _, right := range rights {
		resource, action, _ := strings.Cut(right, ":")
		all = append(all, access{resource, action})
	}
	return all
}

// Repositories makes repositories be there, of a registry that stores nothing.
func (h *Harbor) Repositories(names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		h.there[name] = true
	}
}

// Robots are those that there are, the oldest first.
func (h *Harbor) Robots() []Robot {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Robot
	for _, r := range h.robots {
		all = append(all, Robot{r.id, r.name, r.project, r.description, r.disabled, r.created, r.expires()})
	}
	return all
}

// Works reports whether a login is one that works now.
func (h *Harbor) Works(login, secret string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.identify(login, secret) != nil
}

// Edit changes a robot as somebody does in the web interface, or by other means.
func (h *Harbor) Edit(id int64, change func(*Robot)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.robots {
		if r.id == id {
			shown := Robot{r.id, r.name, r.project, r.description, r.disabled, r.created, r.expires()}
			change(&shown)
			r.name, r.description, r.disabled = shown.Name, shown.Description, shown.Disabled
			r.login = h.options.Prefix + r.project + "+" + r.name
		}
	}
}

// Remove deletes a robot, as somebody does.
func (h *Harbor) Remove(id int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.robots = slices.DeleteFunc(h.robots, func(r *robot) bool { return r.id == id })
}

func newSecret() string { return fmt.Sprintf("aA1%s", rand.Text()) }
