// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package external_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	"github.com/edge-registry/edge-registry-operator/test/env"
	"github.com/edge-registry/edge-registry-operator/test/machine"
)

const (
	// denied is how clients report a refusal; oras and regctl report a token without enough rights as a missing one.
	denied = "unauthorized|denied|authentication required"
	// untrusted is what Go's TLS says of a certificate of a CA that it was not given.
	untrusted = "x509|certificate"
)

// both are the Secrets that were published for one EdgeRegistry.
type both struct{ publish, pull *corev1.Secret }

func publishedAt(t *testing.T, j *judge) both {
	t.Helper()
	p := newPlant(t, j)
	p.comesTo(edgev1.ReasonNotProven, metav1.ConditionTrue)
	return both{p.published("publish"), p.published("pull")}
}

// machines are one with each Secret: a pipeline and a node.
func (b both) machines(t *testing.T) (pusher, puller *machine.Machine) {
	t.Helper()
	return machine.New(t, b.publish, b.pull), machine.New(t, b.pull, b.publish)
}

// reference is an image below the prefix, which is of several segments at a host with a port.
func (b both) reference(name string) string {
	return string(b.publish.Data[handoff.KeyImagePrefix]) + "/" + name + ":1.0.0"
}

// pinned are programs that Go builds, in the versions of clients/go.mod, with how each pushes, pulls, and pushes what is not
// there yet.
var pinned = map[string]struct {
	push, pull func(m *machine.Machine, image string) []string
}{
	"crane": {
		func(_ *machine.Machine, image string) []string {
			return []string{"append", "--new_tag", image, "--new_layer", "layer.tar"}
		},
		func(_ *machine.Machine, image string) []string { return []string{"pull", image, "pulled.tar"} },
	},
	"regctl": {
		func(_ *machine.Machine, image string) []string {
			return []string{"artifact", "put", "--artifact-type", "application/vnd.example", "-f", "layer.tar", image}
		},
		func(_ *machine.Machine, image string) []string {
			return []string{"artifact", "get", "-o", "pulled", image}
		},
	},
	"oras": {
		// By itself it speaks HTTP to localhost.
		func(_ *machine.Machine, image string) []string {
			return []string{"push", "--plain-http=false", image, "layer.tar:application/x-tar"}
		},
		func(_ *machine.Machine, image string) []string {
			return []string{"pull", "--plain-http=false", "-o", "pulled", image}
		},
	},
}

// tool is the path of a program of clients/go.mod. Go keeps what it has built.
func tool(t *testing.T, name string) string {
	t.Helper()
	find := exec.CommandContext(t.Context(), "go", "tool", "-n", name)
	find.Dir = filepath.Join(env.RepoRoot(), "test/registries/clients")
	path, err := find.Output()
	if err != nil {
		t.Skipf("%s does not build here: %v", name, err)
	}
	return strings.TrimSpace(string(path))
}

func TestClientsInGo(t *testing.T) {
	eachJudge(t, func(t *testing.T, j *judge) {
		secrets := publishedAt(t, j)
		for name, client := range pinned {
			t.Run(name, func(t *testing.T) {
				program := tool(t, name)
				pusher, puller := secrets.machines(t)
				image := secrets.reference("by-" + name)
				for i, m := range []*machine.Machine{pusher, puller} {
					m.Docker()
					m.Write(m.Home+"/layer.tar", strings.Repeat("\x00", 1024*(i+1))) // Of no files.
					m.Env = append(m.Env, "SSL_CERT_FILE="+m.Key("ca.crt"))
				}
				pusher.Do(program, client.push(pusher, image)...)
				if err := os.MkdirAll(puller.Home+"/pulled", 0o700); err != nil {
					t.Fatal(err)
				}
				puller.Do(program, client.pull(puller, image)...)
				if j.tellsApart {
					puller.Refused(denied, program, client.push(puller, image)...)
				}
				puller.Env = append(puller.Env, "SSL_CERT_FILE="+puller.Home+"/none")
				puller.Refused(untrusted, program, client.pull(puller, image)...)
			})
		}
	})
}

func TestSkopeo(t *testing.T) {
	machine.Program(t, "skopeo", "Debian's package skopeo")
	eachJudge(t, func(t *testing.T, j *judge) {
		secrets := publishedAt(t, j)
		pusher, puller := secrets.machines(t)
		source, digest := machine.Archive(t)
		image := "docker://" + secrets.reference("by-skopeo")
		copied := func(m *machine.Machine, from, to, side string) []string {
			return []string{"copy", "--" + side + "-authfile", m.Key(corev1.DockerConfigJsonKey), "--" + side + "-cert-dir", m.Certs(), from, to}
		}
		pusher.Do("skopeo", copied(pusher, "oci:"+source, image, "dest")...)
		puller.Do("skopeo", copied(puller, image, "dir:"+puller.Home+"/pulled", "src")...)
		NewWithT(t).Expect(puller.Do("skopeo", "inspect", "--authfile", puller.Key(corev1.DockerConfigJsonKey), "--cert-dir", puller.Certs(),
			"--format", "{{.Digest}}", image)).To(Equal(digest + "\n"))
		if j.tellsApart {
			other, _ := machine.Archive(t) // What the registry holds already is not pushed again.
			puller.Refused(denied, "skopeo", copied(puller, "oci:"+other, image, "dest")...)
		}
		puller.Refused(untrusted, "skopeo", "inspect", "--authfile", puller.Key(corev1.DockerConfigJsonKey), image)
	})
}

// publish.sh builds, pushes and publishes to its end. The Exchange is simulated by a program that takes hzn's arguments. Then a
// node pulls what was published, and may not push it.
func TestPublishScript(t *testing.T) {
	eachJudge(t, func(t *testing.T, j *judge) {
		secrets := publishedAt(t, j)
		for _, engine := range []string{"podman", "buildah"} {
			t.Run(engine, func(t *testing.T) {
				g := NewWithT(t)
				machine.Engine(t, engine)
				pusher, puller := secrets.machines(t)
				pusher.Scripted(engine)
				output := pusher.Do("sh", machine.PublishScript())
				g.Expect(output).To(And(
					ContainSubstring("published without a login for "+j.host), ContainSubstring("hzn exchange service publish -O -f "), Not(ContainSubstring(" -r "))))
				image := pusher.Read(pusher.Home + "/published")
				g.Expect(image).To(MatchRegexp("^" + j.host + "/plant/edge/sensor-" + engine + "_arm64@sha256:[0-9a-f]{64}$"))
				with := []string{"--authfile", puller.Key(corev1.DockerConfigJsonKey), "--cert-dir", puller.Certs()}
				puller.Do(engine, append(append([]string{"pull", "--platform", "linux/arm64"}, with...), image)...)
				if j.tellsApart {
					own := secrets.reference("not-by-" + engine)
					puller.Do(engine, "build", "--tag", own, puller.Service())
					puller.Refused(denied, engine, append(append([]string{"push"}, with...), own)...)
				}
			})
		}
	})
}
