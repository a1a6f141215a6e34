// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// command is what hzn does, and what it asks for then: recorded with the hzn of open-horizon/anax 2f3fa5a5.
type command struct {
	name string
	// before is what else happens first.
	before func(*world)
	args   []string
	// calls are those after the version, with the status that they get.
	calls []string
	// code is the exit code; said and unsaid are in its output and not in it.
	code         int
	said, unsaid string
	check        func(*WithT, *world)
}

const (
	cameraID  = "camera_1.0.0_amd64"
	firstAuth = "registry.example.com:edge-puller:first-token-of-a-test"
	nextAuth  = "registry.example.com:edge-puller:next-token-of-a-test"
	portAuth  = "registry.example.com:5000:robot$p+edge:port-token-of-a-test"
)

// published are the calls of each further publish.
var published = []string{
	"GET services/" + cameraID + " 200", "PUT services/" + cameraID + " 201", "PUT services/" + cameraID + "/keys/default.public.key 201",
	"POST services/" + cameraID + "/dockauths 201",
}

var commands = []command{
	{
		name: "publish a new service",
		args: []string{"exchange", "service", "publish", "-I", "-O", "-r", firstAuth, "-f", "service.json"},
		calls: []string{
			"GET services/" + cameraID + " 404", "POST services 201", "PUT services/" + cameraID + "/keys/default.public.key 201",
			"POST services/" + cameraID + "/dockauths 201",
		},
	},
	{
		name: "publish it again with another token",
		args: []string{"exchange", "service", "publish", "-I", "-O", "-r", nextAuth, "-f", "service.json"}, calls: published,
		check: func(g *WithT, w *world) {
			logins := w.Logins(camera)
			g.Expect(logins).To(HaveLen(2), "it adds a row and replaces none")
			g.Expect(logins[1].Username).To(Equal("edge-puller"))
		},
	},
	{
		name: "publish it again with nobody to ask",
		args: []string{"exchange", "service", "publish", "-I", "-f", "service.json"}, calls: []string{"GET services/" + cameraID + " 200"}, code: 1,
	},
	{
		name: "publish with a host that has a port",
		args: []string{"exchange", "service", "publish", "-I", "-O", "-r", portAuth, "-f", "service.json"}, calls: published,
		check: func(g *WithT, w *world) {
			logins := w.Logins(camera)
			last := logins[len(logins)-1]
			g.Expect(last.Registry).To(Equal("registry.example.com"))
			g.Expect(last.Username).To(Equal("5000"), "it is cut at the first two colons")
		},
	},
	{
		name: "list the logins", args: []string{"exchange", "service", "listauth", cameraID},
		calls: []string{"GET services/" + cameraID + "/dockauths 200"}, said: "dockAuthId",
	},
	{
		name: "remove a login", args: []string{"exchange", "service", "removeauth", cameraID, "2"},
		calls: []string{"DELETE services/" + cameraID + "/dockauths/2 204"},
		check: func(g *WithT, w *world) { g.Expect(w.Logins(camera)).To(HaveLen(2)) },
	},
	{
		name: "list the nodes", args: []string{"exchange", "service", "listnode", cameraID},
		calls: []string{"GET services/" + cameraID + " 200", "POST search/nodes/service 201"}, said: "plant/node",
	},
	{
		name: "list a service that was touched",
		before: func(w *world) {
			_, _ = w.ask(alice, "PATCH", one, `{"imageStore":{"edgeRegistry":{"name":"a-name-of-a-test"}}}`)
		},
		args:  []string{"exchange", "service", "list", "-l", cameraID},
		calls: []string{"GET services/" + cameraID + " 200"}, said: "registry.example.com/edge/camera", unsaid: "a-name-of-a-test",
	},
	{
		name: "publish a service that was touched",
		args: []string{"exchange", "service", "publish", "-I", "-O", "-f", "service.json"}, calls: published[:3],
		check: func(g *WithT, w *world) { g.Expect(w.ImageStore(camera)).To(BeEmpty(), "it sends no image store") },
	},
	{
		name: "verify a signature that Go made", before: (*world).sign,
		args: []string{"exchange", "service", "verify", cameraID, "-k", "public.pem"}, calls: []string{"GET services/" + cameraID + " 200"},
		said: "All signatures verified",
	},
	{
		name:  "add a policy for a service",
		args:  []string{"exchange", "service", "addpolicy", "-f", "service-policy.json", cameraID},
		calls: []string{"GET services/" + cameraID + " 200", "PUT services/" + cameraID + "/policy 201"},
	},
	{
		name:  "add a deployment policy",
		args:  []string{"exchange", "deployment", "addpolicy", "-f", "policy.json", "pol1"},
		calls: []string{"GET services 200", "POST business/policies/pol1 201"},
	},
	{
		name: "publish a pattern",
		args: []string{"exchange", "pattern", "publish", "-f", "pattern.json"},
		calls: []string{
			"GET services 200", "GET patterns/pat1 404", "POST patterns/pat1 201", "PUT patterns/pat1/keys/default.public.key 201",
		},
	},
}

// files are what the commands read.
var files = map[string]string{
	"service.json": `{"org":"plant","label":"camera","url":"camera","version":"1.0.0","arch":"amd64","public":false,
		"sharable":"multiple","requiredServices":[],"userInput":[],
		"deployment":{"services":{"camera":{"image":"registry.example.com/edge/camera@sha256:` +
		`0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}},"deploymentSignature":""}`,
	"service-policy.json": `{"properties":[{"name":"a","value":"b"}],"constraints":[]}`,
	"policy.json": `{"label":"pol1","service":{"name":"camera","org":"plant","arch":"amd64","serviceVersions":[{"version":"1.0.0"}]},
		"properties":[],"constraints":["purpose == test"]}`,
	"pattern.json": `{"name":"pat1","org":"plant","label":"pat1","public":false,
		"services":[{"serviceUrl":"camera","serviceOrgid":"plant","serviceArch":"amd64","serviceVersions":[{"version":"1.0.0"}]}]}`,
}

// sign signs the deployment of the service as hzn does, and leaves the public key for it.
func (w *world) sign() {
	g := NewWithT(w.t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	g.Expect(err).NotTo(HaveOccurred())
	deployment := `{"services":{"camera":{"image":"registry.example.com/edge/camera:1"}}}`
	sum := sha256.Sum256([]byte(deployment))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	g.Expect(err).NotTo(HaveOccurred())
	for _, field := range []map[string]string{{"deployment": deployment}, {"deploymentSignature": base64.StdEncoding.EncodeToString(signature)}} {
		body, _ := json.Marshal(field)
		status, _ := w.ask(alice, "PATCH", one, string(body))
		g.Expect(status).To(Equal(201))
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(w.dir, "public.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600)).To(Succeed())
}

// TestHznAsksForWhatWasRecorded drives the real hzn where there is one, and holds what it asks for to what was recorded. Where
// there is none, what was recorded is asked for, in the same order.
func TestHznAsksForWhatWasRecorded(t *testing.T) {
	hzn, err := exec.LookPath("hzn")
	if err != nil {
		t.Log("there is no hzn on PATH: the recorded calls are played instead")
	}
	w := newWorld(t, Options{})
	w.dir = t.TempDir()
	for name, content := range files {
		NewWithT(t).Expect(os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600)).To(Succeed())
	}
	NewWithT(t).Expect(os.WriteFile(filepath.Join(w.dir, "ca.crt"), w.CA, 0o600)).To(Succeed())
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			if c.before != nil {
				c.before(w)
			}
			w.Forget()
			if hzn == "" {
				w.play(c)
			} else {
				code, said := w.run(t.Context(), hzn, c.args)
				g.Expect(code).To(Equal(c.code), said)
				g.Expect(said).To(ContainSubstring(c.said))
				g.Expect(c.unsaid != "" && strings.Contains(said, c.unsaid)).To(BeFalse(), said)
			}
			g.Expect(w.answered()).To(Equal(c.calls))
			if c.check != nil {
				c.check(g, w)
			}
		})
	}
}

// answered are the calls with their statuses, without those for the version.
func (w *world) answered() []string {
	var calls []string
	for _, c := range w.Calls() {
		if c.Path != "admin/version" {
			calls = append(calls, c.String()+" "+strconv.Itoa(c.Status))
		}
	}
	return calls
}

// run runs hzn and returns its exit code, and what it said without the logins that it repeats.
func (w *world) run(ctx context.Context, hzn string, args []string) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, hzn, args...)
	cmd.Dir = w.dir
	cmd.Env = []string{
		"HOME=" + w.dir, "PATH=" + os.Getenv("PATH"), "HZN_ORG_ID=plant", "HZN_EXCHANGE_USER_AUTH=alice:alice-password",
		"HZN_EXCHANGE_URL=" + w.URL, "HZN_MGMT_HUB_CERT_PATH=" + filepath.Join(w.dir, "ca.crt"), "ARCH=amd64", "LANG=C",
	}
	out, err := cmd.CombinedOutput()
	said := strings.NewReplacer("first-token-of-a-test", "*", "next-token-of-a-test", "*", "port-token-of-a-test", "*").Replace(string(out))
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, said
	case errors.As(err, &exit):
		return exit.ExitCode(), said
	default:
		return -1, err.Error()
	}
}

// play asks for what hzn was recorded to ask for, with bodies as it sends them.
func (w *world) play(c command) {
	described := `{"label":"camera","url":"camera","version":"1.0.0","arch":"amd64","sharable":"multiple","deployment":` +
		`"{\"services\":{\"camera\":{\"image\":\"registry.example.com/edge/camera:1\"}}}"}`
	for _, call := range c.calls {
		method, rest, _ := strings.Cut(call, " ")
		path, _, _ := strings.Cut(rest, " ")
		body := "{}"
		switch {
		case strings.HasSuffix(path, "/dockauths"):
			body = bodyOf(c.args)
		case method == "POST" && path == "services", method == "PUT" && path == "services/"+cameraID:
			body = described
		case strings.HasPrefix(path, "search/"):
			body = `{"orgid":"plant","serviceURL":"camera","serviceVersion":"1.0.0","serviceArch":"amd64"}`
		}
		_, _ = w.ask(alice, method, "/orgs/plant/"+path, body)
	}
}

// bodyOf is what hzn makes of its option -r.
func bodyOf(args []string) string {
	for i, arg := range args {
		if arg == "-r" {
			parts := strings.SplitN(args[i+1], ":", 3)
			body, _ := json.Marshal(map[string]string{"registry": parts[0], "username": parts[1], "token": parts[2]})
			return string(body)
		}
	}
	return ""
}
