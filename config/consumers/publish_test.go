// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/edge-registry/edge-registry-operator/test/shells"
)

const (
	image       = prefix + "/sensor_amd64:1.2.3"
	publication = "hzn exchange service publish -O -r " + host + ":edge-puller.factory:" + pullToken + " -f horizon/service.definition.json"
)

func TestPublishDoesTheDocumentedSteps(t *testing.T) {
	files := []string{
		"%s login --cert-dir=SCRATCH/certs --username edge-publisher.factory --password-stdin " + host,
		"%s login --authfile=SCRATCH/auth.json --cert-dir=SCRATCH/certs --username edge-publisher.factory --password-stdin " + host,
		"%s login --authfile=SCRATCH/auth.json --get-login " + prefix,
		"%s build --cert-dir=SCRATCH/certs --platform linux/amd64 --tag " + image + " --file ./Dockerfile .",
		"%s push --authfile=SCRATCH/auth.json --cert-dir=SCRATCH/certs --digestfile SCRATCH/digest " + image,
		publication + " -I --public",
		"%s pull --quiet --cert-dir=SCRATCH/certs --platform linux/amd64 " + prefix + "/sensor_amd64@" + digest,
	}
	always := append(slices.Clone(files[:len(files)-1]), strings.Replace(files[len(files)-1], "--quiet", "--quiet --policy=always", 1))
	for engine, want := range map[string][]string{
		"docker": {
			"%s login --username edge-publisher.factory --password-stdin " + host,
			"%s build --platform linux/amd64 --tag " + image + " --file ./Dockerfile .",
			"%s push " + image,
			`%s image inspect --format {{join .RepoDigests " "}} ` + image,
			publication + " --public",
			"%s pull --quiet --platform linux/amd64 " + prefix + "/sensor_amd64@" + digest,
		},
		"podman": files, "buildah": always,
	} {
		t.Run(engine, func(t *testing.T) {
			forEachShell(t, func(t *testing.T, p *pipeline) {
				g := NewWithT(t)
				p.env["ENGINE"], p.env["CA_FILE"] = engine, "ca.crt"
				result := p.run("--public")
				g.Expect(result.code).To(BeZero(), result.stdout+result.stderr)
				g.Expect(strings.Join(p.calls(), "\n")).To(Equal(strings.ReplaceAll(strings.Join(want, "\n"), "%s", engine)))
				g.Expect(p.recorded("stdin")).To(Equal(pushToken))
				g.Expect(p.recorded("hzn-stdin")).To(BeEmpty())
				g.Expect(p.recorded("hzn-environment")).To(Equal("amd64 1.2.3 " + prefix + "/sensor " + prefix + "/sensor_amd64@" + digest + "\n"))
				g.Expect(result.stderr).To(HaveSuffix("publish.sh: published " + prefix + "/sensor_amd64@" + digest + "\n"))
				if engine == "docker" {
					g.Expect(result.stderr).To(ContainSubstring("install -D -m 0644 ca.crt /etc/docker/certs.d/" + host + "/ca.crt"))
				} else {
					g.Expect(p.recorded("ca.crt")).To(Equal(strings.Repeat("the CA\n", 5)))
					g.Expect(result.stderr).NotTo(ContainSubstring("/etc/docker"))
				}
				g.Expect(p.another(t).run().code).To(BeZero(), "with the defaults")
			})
		})
	}
}

func TestPublishBuildsEachArchitectureByItsOwnDockerfile(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.env["ENGINE"], p.env["ARCH"], p.env["CONTEXT"] = "buildah", "amd64 arm64", "source"
		p.write("source/Dockerfile", "")
		p.write("source/Dockerfile.arm64", "")
		g.Expect(p.run().code).To(BeZero())
		g.Expect(p.calls()).To(HaveExactElements(
			HavePrefix("buildah login"), HavePrefix("buildah login --authfile"), HavePrefix("buildah login --authfile"),
			"buildah build --platform linux/amd64 --tag "+image+" --file source/Dockerfile source",
			HavePrefix("buildah push"), HavePrefix("hzn exchange"),
			"buildah build --platform linux/arm64 --tag "+prefix+"/sensor_arm64:1.2.3 --file source/Dockerfile.arm64 source",
			HavePrefix("buildah push"), HavePrefix("hzn exchange"),
			HaveSuffix(" --platform linux/amd64 "+prefix+"/sensor_amd64@"+digest), HaveSuffix(" --platform linux/arm64 "+prefix+"/sensor_arm64@"+digest)))
		g.Expect(p.recorded("hzn-environment")).To(HaveSuffix("arm64 1.2.3 " + prefix + "/sensor " + prefix + "/sensor_arm64@" + digest + "\n"))
	})
}

func TestPublishTakesTheEngineAndArchitectureThatAreHere(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		delete(p.env, "ARCH")
		for _, engine := range []string{"docker", "podman", "buildah"} {
			p.env["RECORD"] = t.TempDir()
			p.record = p.env["RECORD"]
			p.failAt("nothing")
			g.Expect(p.run().code).To(BeZero())
			g.Expect(p.calls()[:2]).To(HaveExactElements("hzn architecture", HavePrefix(engine+" login")))
			p.remove(engine)
		}
	})
}

// Every program that the script runs prints the tokens, and the caller wants a trace.
func TestPublishShowsNoToken(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		p.shell = append(p.shell, "-x", "-v")
		for _, engine := range []string{"docker", "podman", "buildah"} {
			for _, failing := range []string{"nothing", engine + " login", engine + " push", "hzn exchange"} {
				t.Run(engine+" fails at "+failing, func(t *testing.T) {
					g := NewWithT(t)
					p := p.another(t)
					p.env["ENGINE"], p.env["CA_FILE"] = engine, "ca.crt"
					p.failAt(failing)
					result := p.run()
					// The text of the script itself is shown, by -v, up to where it is switched off.
					shown := result.stdout + result.stderr
					g.Expect(shown).NotTo(Or(ContainSubstring(pushToken), ContainSubstring(pullToken)))
					g.Expect(shown).To(MatchRegexp(`(?m)^\*\*\* and \*\*\*$`))
					if failing == "nothing" {
						g.Expect(shown).To(And(ContainSubstring("says <******>"),
							ContainSubstring("Storing "+host+":edge-puller.factory:*** with")))
					}
					g.Expect(p.recorded("tools")).NotTo(Or(BeEmpty(), ContainSubstring(pushToken), ContainSubstring(pullToken)))
					for _, call := range p.calls() {
						g.Expect(strings.Replace(call, " -r "+host+":edge-puller.factory:"+pullToken+" ", "", 1)).
							NotTo(Or(ContainSubstring(pushToken), ContainSubstring(pullToken)))
					}
					left, err := os.ReadDir(p.temp)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(left).To(BeEmpty())
				})
			}
		}
	})
}

func TestPublishPassesOnTheExitStatusOfTheStepThatFails(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for _, engine := range []string{"docker", "podman", "buildah"} {
			for call, says := range map[string]string{
				engine + " login": "login to " + host,
				engine + " build": "build of " + image,
				engine + " push":  "push of " + image,
				"hzn exchange":    "publication of sensor for amd64",
				engine + " pull":  "pull of " + prefix + "/sensor_amd64@" + digest + " with the pull login",
			} {
				t.Run(engine+" with "+call, func(t *testing.T) {
					g := NewWithT(t)
					p := p.another(t)
					p.env["ENGINE"] = engine
					p.failAt(call)
					result := p.run()
					g.Expect(result.code).To(Equal(17))
					g.Expect(result.stdout).To(ContainSubstring("no space left\n"))
					before := ""
					if call == engine+" pull" {
						before = "; published before: sensor for amd64"
					}
					g.Expect(result.stderr).To(HaveSuffix("publish.sh: " + says + " failed with exit status 17" + before + "\n"))
					calls := p.calls()
					g.Expect(calls[len(calls)-1]).To(HavePrefix(call), "nothing is done after it")
				})
			}
		}
	})
}

func TestPublishPublishesNoImageWhoseDigestIsUnknown(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		for engine, variable := range map[string]string{"docker": "INSPECTED", "podman": "DIGEST"} {
			p := p.another(t)
			p.env["ENGINE"], p.env[variable] = engine, ""
			result := p.run()
			g.Expect(result.code).To(Equal(1))
			g.Expect(result.stderr).To(HaveSuffix("publish.sh: " + engine + " does not tell the digest of " + image + "\n"))
			g.Expect(p.recorded("calls")).NotTo(ContainSubstring("hzn"))
		}
	})
}

func TestPublishNamesWhatIsMissingBeforeItDoesAnything(t *testing.T) {
	unset := func(name string) func(*pipeline) { return func(p *pipeline) { delete(p.env, name) } }
	set := func(name, value string) func(*pipeline) { return func(p *pipeline) { p.env[name] = value } }
	tests := map[string]struct {
		change func(*pipeline)
		says   string
	}{
		"hzn":                       {func(p *pipeline) { p.remove("hzn") }, "hzn is not on PATH: install"},
		"every engine":              {func(p *pipeline) { p.remove("docker", "podman", "buildah") }, "none of docker, podman and buildah is on PATH"},
		"base64":                    {func(p *pipeline) { p.remove("base64") }, "base64 is not on PATH: "},
		"the policy of the service": {set("SERVICE_POLICY", "absent.json"), "absent.json is not a file that can be read: set SERVICE_POLICY"},
		"the pattern":               {set("PATTERN", "horizon"), "horizon is not a file that can be read: set PATTERN"},
		"the deployment policy":     {func(p *pipeline) { p.env["POLICY"], p.env["POLICY_NAME"] = "absent.json", "all" }, "absent.json is not a file that can be read: set POLICY"},
		"the name of the policy":    {set("POLICY", "ca.crt"), "POLICY_NAME is not set: "},
		"the only choice":           {set("NO_CONSTRAINTS", "no"), "NO_CONSTRAINTS is another than yes"},
		"the engine that is named":  {func(p *pipeline) { p.env["ENGINE"] = "podman"; p.remove("podman") }, "podman is not on PATH"},
		"an engine that is known":   {set("ENGINE", "kaniko"), "ENGINE is another than docker, podman and buildah"},
		"the definition":            {set("DEFINITION", "absent.json"), "absent.json is not a file"},
		"the CA":                    {set("CA_FILE", "absent.crt"), "absent.crt is not a file"},
		"the folder of the CA":      {set("CA_DIR", "absent"), "absent is not a folder"},
		"a CA that is a directory":  {set("CA_FILE", "horizon"), "horizon is not a file"},
		"the Dockerfile":            {set("CONTEXT", "horizon"), "horizon/Dockerfile is not a file"},
		"the pull token":            {set("HZN_REGISTRY_AUTH", host+":edge-publisher.factory:"+pushToken), "carries the push token"},
		"a host for the token":      {set("HZN_REGISTRY_AUTH", "elsewhere.test:edge-puller.factory:"+pullToken), "is not HOST:USER:TOKEN"},
		"a token after the user":    {set("HZN_REGISTRY_AUTH", host+":edge-puller.factory:"), "is not HOST:USER:TOKEN"},
		"an architecture":           {func(p *pipeline) { delete(p.env, "ARCH"); p.program("hzn", "#!/bin/sh\nexit 1\n") }, "hzn does not tell the architecture"},
	}
	for _, name := range []string{
		"OCP_DOCKER_HOST", "OCP_USER", "OCP_TOKEN", "IMAGE_PREFIX", "HZN_REGISTRY_AUTH", "BASE", "VERSION",
		"HZN_ORG_ID", "HZN_EXCHANGE_URL", "HZN_EXCHANGE_USER_AUTH",
	} {
		tests["the variable "+name] = struct {
			change func(*pipeline)
			says   string
		}{unset(name), name + " is not set: "}
	}
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				p := p.another(t)
				test.change(p)
				result := p.run()
				g.Expect(result.code).To(Equal(2))
				g.Expect(result.stdout).To(BeEmpty())
				g.Expect(result.stderr).To(And(MatchRegexp("(?m)^publish.sh: .*"+regexp.QuoteMeta(test.says)), Not(ContainSubstring("token-text"))))
				if name != "the variable OCP_DOCKER_HOST" && name != "the variable OCP_TOKEN" {
					g.Expect(strings.Count(result.stderr, "\n")).To(Equal(1), result.stderr)
				}
				g.Expect(p.recorded("calls")).To(BeEmpty())
			})
		}
		t.Run("all at once", func(t *testing.T) {
			g := NewWithT(t)
			p := p.another(t)
			p.env = map[string]string{"PATH": t.TempDir(), "ENGINE": "docker", "DEFINITION": "absent.json"}
			result := p.run()
			g.Expect(result.code).To(Equal(2))
			g.Expect(strings.Split(result.stderr, "\n")).To(HaveLen(10 + 3 + 1 + 1))
		})
	})
}

func TestPublishWarnsOfATagThatNobodyTurnsIntoADigest(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.write("horizon/service.definition.json", `{"image": "${DOCKER_IMAGE_BASE}_$ARCH:$SERVICE_VERSION"}`)
		for engine, warns := range map[string]bool{"docker": false, "podman": true, "buildah": true} {
			p.env["ENGINE"] = engine
			result := p.run()
			g.Expect(result.code).To(BeZero())
			g.Expect(strings.Contains(result.stderr, `write "image": "$SERVICE_IMAGE" there`)).To(Equal(warns), engine)
		}
		p.write("horizon/service.definition.json", `{"image": "${SERVICE_IMAGE}"}`)
		g.Expect(p.run().stderr).NotTo(ContainSubstring("warning"))
	})
}

// hzn waits at a gate that opens only after its first line was seen.
func TestPublishPassesOnEachLineAsItComes(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		gate := filepath.Join(p.record, "gate")
		g.Expect(syscall.Mkfifo(gate, 0o600)).To(Succeed())
		command := p.command()
		output, err := command.StdoutPipe()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(command.Start()).To(Succeed())
		lines := bufio.NewScanner(output)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "Storing ") {
			continue
		}
		g.Expect(lines.Text()).To(HavePrefix("Storing "))
		g.Expect(os.WriteFile(gate, []byte("open\n"), 0o600)).To(Succeed())
		for lines.Scan() {
			continue
		}
		g.Expect(command.Wait()).To(Succeed())
	})
}

func TestPublishExplainsItself(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.env = map[string]string{"PATH": p.tools, "RECORD": p.record}
		for _, option := range []string{"-h", "--help"} {
			result := p.run(option)
			g.Expect(result.code).To(BeZero())
			g.Expect(result.stderr).To(BeEmpty())
			for name := range newPipeline(t, p.shell).env {
				if strings.HasPrefix(name, "OCP_") || strings.HasPrefix(name, "HZN_") {
					g.Expect(result.stdout).To(ContainSubstring(name))
				}
			}
		}
		g.Expect(p.recorded("calls")).To(BeEmpty())
	})
}

func TestPublishCutShortDoesNothing(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		whole := p.script
		for _, cut := range shells.Cuts(whole) {
			p.script = cut
			p.run()
			g.Expect(p.recorded("calls")).To(BeEmpty(), "cut at %d of %d", len(cut), len(whole))
		}
	})
}

func TestScriptsAreFreeOfShellcheckFindings(t *testing.T) {
	shells.Check(t, publishScript)
}

// hzn would misread a login for a host with a port, so the Secret has none, and the service is published without.
func TestPublishToAHostWithAPortAndANestedPrefix(t *testing.T) {
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			forEachShell(t, func(t *testing.T, p *pipeline) {
				g := NewWithT(t)
				p.env["ENGINE"], p.env["OCP_DOCKER_HOST"], p.env["OCP_USER"] = engine, host+":5000", "robot$plant+push"
				p.env["IMAGE_PREFIX"] = host + ":5000/plant/edge"
				delete(p.env, "HZN_REGISTRY_AUTH")
				result := p.run()
				g.Expect(result.stderr).To(ContainSubstring("published without a login for " + host + ":5000"))
				calls := strings.Join(p.calls(), "\n")
				g.Expect(calls).To(ContainSubstring("--username robot$plant+push --password-stdin " + host + ":5000"))
				g.Expect(calls).To(MatchRegexp(engine + " push .*" + host + ":5000/plant/edge/sensor_amd64:1.2.3"))
				if result.code == 0 {
					g.Expect(calls).To(ContainSubstring("hzn exchange service publish -O -f horizon/service.definition.json"))
					g.Expect(calls).NotTo(ContainSubstring(" -r "))
				}
			})
		})
	}
}
