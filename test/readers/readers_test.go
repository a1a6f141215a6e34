// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package readers_test has the real readers of .dockerconfigjson find the login in it. It is a module of its own for
// what it requires.
package readers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	. "github.com/onsi/gomega"
	regclient "github.com/regclient/regclient/config"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
)

const (
	host  = "registry.apps.example.test"
	image = host + "/factory/sensor:1.0.0"
	// variable is read before the file by what knows it.
	variable = "DOCKER_AUTH_CONFIG"
)

// login is what a reader finds. A program that shows only the user leaves the token out.
type login struct{ user, token string }

// place is where a reader looks: the folder of Docker's config.json, and its content.
type place struct {
	dir     string
	content []byte
}

func (p place) file() string { return filepath.Join(p.dir, "config.json") }

var (
	puller  = login{"edge-puller.factory", "pull-token-text"}
	userOf  = login{user: puller.user}
	errSkip = errors.New("not installed")
)

// readers are those of docs/consumers.md: libraries of a module that go.mod pins, and programs where they are installed.
// Those with env look into the variable too.
var readers = []struct {
	name, module string
	env          bool
	want         login
	find         func(context.Context, place) (login, error)
}{
	{"kubelet", "k8s.io/kubernetes", false, puller, kubelet},
	{"docker", "github.com/docker/cli", true, puller, docker},
	{"crane", "github.com/google/go-containerregistry", true, puller, crane},
	{"regctl", "github.com/regclient/regclient", true, puller, regctl},
	{"oras", "oras.land/oras-go/v2", false, puller, oras},
	{"skopeo", "", false, userOf, loginOf("skopeo")},
	{"podman", "", false, userOf, loginOf("podman")},
	{"buildah", "", false, userOf, loginOf("buildah")},
	{"python3-docker", "", false, puller, pythonDocker},
}

func TestEveryReaderFindsTheLoginInTheFile(t *testing.T) {
	for _, reader := range readers {
		t.Run(reader.name, func(t *testing.T) {
			p := newPlace(t, published(t))
			NewWithT(t).Expect(os.WriteFile(p.file(), p.content, 0o600)).To(Succeed())
			expectLogin(t, reader.find, p, reader.want)
		})
	}
}

// The login of somebody else in the file shows that the variable counts.
func TestEveryReaderOfTheVariableFindsTheLoginInIt(t *testing.T) {
	for _, reader := range readers {
		if !reader.env {
			continue
		}
		t.Run(reader.name, func(t *testing.T) {
			p := newPlace(t, published(t))
			other := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte("somebody:else")))
			NewWithT(t).Expect(os.WriteFile(p.file(), []byte(other), 0o600)).To(Succeed())
			t.Setenv(variable, string(p.content))
			expectLogin(t, reader.find, p, reader.want)
		})
	}
}

func TestTheDocumentNamesEveryReaderWithItsVersion(t *testing.T) {
	g := NewWithT(t)
	document, err := os.ReadFile("../../docs/consumers.md")
	g.Expect(err).NotTo(HaveOccurred())
	required, err := os.ReadFile("go.mod")
	g.Expect(err).NotTo(HaveOccurred())
	for _, reader := range readers {
		row := reader.name
		if reader.module != "" {
			version := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(reader.module) + ` v([0-9.]+)`).FindSubmatch(required)
			g.Expect(version).To(HaveLen(2), reader.module)
			row += " | `" + reader.module + "` " + string(version[1])
		}
		g.Expect(string(document)).To(ContainSubstring("\n| " + row + " |"))
	}
}

// expectLogin compares what a reader finds, without the token in what it says.
func expectLogin(t *testing.T, find func(context.Context, place) (login, error), p place, want login) {
	t.Helper()
	found, err := find(t.Context(), p)
	if errors.Is(err, errSkip) {
		t.Skip(err)
	}
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.user).To(Equal(want.user))
	g.Expect(found.token == want.token).To(BeTrue(), "it is another token, or none")
}

// published is .dockerconfigjson of the pull Secret.
func published(t *testing.T) []byte {
	t.Helper()
	ca, err := os.ReadFile("testdata/ca.crt")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	data, err := handoff.PullData(handoff.Input{
		Provider: "openshift", Host: host, Project: "factory", CA: ca,
		Publisher: handoff.Login{User: "edge-publisher.factory", Token: credential.NewToken("push-token-text")},
		Puller:    handoff.Login{User: puller.user, Token: credential.NewToken(puller.token)},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return data[handoff.KeyDockerConfigJSON]
}

// newPlace is a home of nobody else's, in which a variable of who runs the test counts for nothing.
func newPlace(t *testing.T, content []byte) place {
	t.Helper()
	p := place{dir: t.TempDir(), content: content}
	for key, value := range map[string]string{
		"HOME": p.dir, "XDG_RUNTIME_DIR": p.dir, "DOCKER_CONFIG": p.dir, "REGISTRY_AUTH_FILE": "", variable: "",
	} {
		t.Setenv(key, value)
	}
	return p
}

func kubelet(_ context.Context, p place) (login, error) {
	secret := corev1.Secret{Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: p.content}}
	keyring, err := secrets.MakeDockerKeyring([]corev1.Secret{secret}, &credentialprovider.BasicDockerKeyring{})
	if err != nil {
		return login{}, err
	}
	found, _ := keyring.Lookup(host + "/factory/sensor")
	if len(found) != 1 {
		return login{}, errors.New("the keyring has not one login for the image")
	}
	return login{found[0].Username, found[0].Password}, nil
}

func docker(_ context.Context, p place) (login, error) {
	file, err := config.Load(p.dir)
	if err != nil {
		return login{}, err
	}
	found, err := file.GetAuthConfig(host)
	return login{found.Username, found.Password}, err
}

func crane(ctx context.Context, _ place) (login, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return login{}, err
	}
	authenticator, err := authn.DefaultKeychain.Resolve(reference.Context())
	if err != nil {
		return login{}, err
	}
	found, err := authn.Authorization(ctx, authenticator)
	if err != nil {
		return login{}, err
	}
	return login{found.Username, found.Password}, nil
}

func regctl(context.Context, place) (login, error) {
	hosts, err := regclient.DockerLoad()
	var found login
	for _, one := range hosts { // A later one takes the place of those before it.
		if one.Hostname == host {
			found = login{one.User, one.Pass}
		}
	}
	return found, err
}

func oras(ctx context.Context, _ place) (login, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return login{}, err
	}
	found, err := store.Get(ctx, host)
	return login{found.Username, found.Password}, err
}

// loginOf is the user that a program prints for its login. That the registry accepts the login, test/consumers shows.
func loginOf(program string) func(context.Context, place) (login, error) {
	return func(ctx context.Context, p place) (login, error) {
		if _, err := exec.LookPath(program); err != nil {
			return login{}, errSkip
		}
		output, err := exec.CommandContext(ctx, program, "login", "--get-login", "--authfile", p.file(), host).Output()
		return login{user: string(bytes.TrimSpace(output))}, err
	}
}

func pythonDocker(ctx context.Context, p place) (login, error) {
	if exec.CommandContext(ctx, "python3", "-c", "import docker").Run() != nil {
		return login{}, errSkip
	}
	const script = `
import json, sys
from docker import auth
print(json.dumps(auth.load_config(sys.argv[1]).resolve_authconfig(sys.argv[2])))`
	output, err := exec.CommandContext(ctx, "python3", "-c", script, p.file(), host).Output()
	if err != nil {
		return login{}, err
	}
	var found struct{ Username, Password string }
	err = json.Unmarshal(output, &found)
	return login{found.Username, found.Password}, err
}
