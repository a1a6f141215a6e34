// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/edge-registry/edge-registry-operator/test/distribution"
	"github.com/edge-registry/edge-registry-operator/test/machine"
)

// denied is how skopeo reports a 403, and rejected how it reports a refused credential.
const (
	denied   = "denied|insufficient scope|forbidden|403"
	rejected = "unauthorized|login credentials|invalid username/password|invalid status code from registry 400"
)

// machineOf is where skopeo runs with a key for some hosts.
func (w *world) machineOf(user string, k Key, hosts ...string) *machine.Machine {
	w.t.Helper()
	auths := ""
	for i, host := range hosts {
		if i > 0 {
			auths += ","
		}
		auths += fmt.Sprintf(`%q:{"auth":%q}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+k.Value())))
	}
	m := machine.New(w.t, &corev1.Secret{Data: map[string][]byte{
		"OCP_TOKEN": []byte(k.Value()), corev1.DockerConfigJsonKey: []byte(`{"auths":{` + auths + `}}`), "ca.crt": w.CA.PEM(),
	}})
	m.Env = append(m.Env, "HTTPS_PROXY="+w.ProxyURL.String(), "NO_PROXY=")
	return m
}

// registryProgram is built once. It ends with the tests.
var registryProgram = sync.OnceValues(func() (string, error) {
	program := filepath.Join(programs, "registry")
	return program, distribution.Build(context.Background(), program)
})

// programs is a folder for what is built.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "ibmcloud"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

// TestRealClientsPushAndPull has skopeo use a real registry behind the stand-in.
func TestRealClientsPushAndPull(t *testing.T) {
	machine.Program(t, "skopeo", "Debian's package skopeo")
	g := NewWithT(t)
	program, err := registryProgram()
	g.Expect(err).NotTo(HaveOccurred())
	for name, o := range map[string]Options{"bad logins are 400": {}, "bad logins are 401": {BadLogin: 401}} {
		t.Run(name, func(t *testing.T) {
			o.Registry, o.Images = program, t.TempDir()
			w := newWorld(t, o)
			for _, region := range []string{"us-south", "eu-de"} {
				w.AddNamespace(plant, region, sensors)
			}
			w.AddNamespace(plant, "us-south", "others")
			on := OnNamespace(plant, "us-south", sensors)
			pusher := w.AddServiceID(plant, "pusher", rightsOf(on, "Reader", "Writer"))
			puller := w.AddServiceID(plant, "puller", rightsOf(on, "Reader"))
			w.pushAndPull(pusher, puller)
		})
	}
}

func (w *world) pushAndPull(pusher, puller Key) {
	w.t.Helper()
	g := NewWithT(w.t)
	hosts := []string{"us.icr.io", "private.us.icr.io", "de.icr.io"}
	push, pull := w.machineOf("iamapikey", pusher, hosts...), w.machineOf("iamapikey", puller, hosts...)
	archive, digest := machine.Archive(w.t)
	const camera = "docker://us.icr.io/sensors/camera:1.0.0"
	copyTo := func(m *machine.Machine, to string) []string {
		return []string{"copy", "--dest-authfile", m.Key(corev1.DockerConfigJsonKey), "--dest-cert-dir", m.Certs(), "oci:" + archive, to}
	}
	inspect := func(m *machine.Machine, image string) []string {
		return []string{"inspect", "--authfile", m.Key(corev1.DockerConfigJsonKey), "--cert-dir", m.Certs(), image}
	}
	push.Do("skopeo", copyTo(push, camera)...)
	for _, from := range []string{camera, "docker://us.icr.io/sensors/camera@" + digest, "docker://private.us.icr.io/sensors/camera:1.0.0"} {
		pull.Do("skopeo", "copy", "--src-authfile", pull.Key(corev1.DockerConfigJsonKey), "--src-cert-dir", pull.Certs(), from, "dir:"+w.t.TempDir())
	}

	pull.Refused(denied, "skopeo", copyTo(pull, camera)...)
	push.Refused(denied, "skopeo", copyTo(push, "docker://us.icr.io/others/camera:1.0.0")...)
	push.Refused(denied, "skopeo", copyTo(push, "docker://us.icr.io/absent/camera:1.0.0")...)
	push.Refused(denied, "skopeo", copyTo(push, "docker://de.icr.io/sensors/camera:1.0.0")...)
	pull.Refused(denied, "skopeo", inspect(pull, "docker://de.icr.io/sensors/camera:1.0.0")...)
	another := w.machineOf("somebody", puller, hosts...)
	another.Refused(rejected, "skopeo", inspect(another, camera)...)
	nobody := w.machineOf("iamapikey", puller)
	nobody.Refused(rejected+"|authentication required", "skopeo", inspect(nobody, camera)...)

	var images []image
	w.into(w.as(w.owner, "GET", usURL+"/api/v1/images?namespace=sensors", ""), &images)
	g.Expect(images).To(HaveLen(1))
	g.Expect(images[0].RepoTags).To(ConsistOf("us.icr.io/sensors/camera:1.0.0"))
	g.Expect(images[0].RepoDigests).To(ConsistOf("us.icr.io/sensors/camera@" + digest))
	g.Expect(images[0].Size).To(BeNumerically(">", 512))
	var seen []image
	w.into(w.as(pusher, "GET", usURL+"/api/v1/images?repository=us.icr.io/sensors/camera", ""), &seen)
	g.Expect(seen).To(HaveLen(1), "a Reader lists images")
	w.into(w.as(w.owner, "GET", usURL+"/api/v1/images?repository=us.icr.io/sensors/another", ""), &seen)
	g.Expect(seen).To(BeEmpty())

	g.Expect(w.as(w.owner, "DELETE", spacesURL+"/"+sensors, "").status).To(Equal(204))
	w.settle()
	g.Expect(w.as(w.owner, "PUT", spacesURL+"/"+sensors, "").status).To(Equal(201))
	pull.Refused("manifest unknown|name unknown", "skopeo", inspect(pull, camera)...)
}
