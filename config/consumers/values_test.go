// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"encoding/base64"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	// canary is in each value that is tried, and in no output that refuses one.
	canary = "canary"
	// code leaves a file behind when a shell runs it, and needs no program for that.
	code = "$(echo >" + canary + ")`echo >" + canary + "`"
)

// forEachShellAndSh adds the shell that the examples name.
func forEachShellAndSh(t *testing.T, test func(t *testing.T, p *pipeline)) {
	t.Helper()
	forEachShell(t, test)
	t.Run("sh", func(t *testing.T) {
		t.Parallel()
		test(t, newPipeline(t, []string{must(exec.LookPath("sh"))}))
	})
}

// Each value in each variable in each shell: a refusal runs no other program, so all of them take seconds.
func TestPublishRefusesAValueWithCharactersThatItCannotHave(t *testing.T) {
	everywhere := map[string]string{
		"a line break inside": canary + "\n" + canary, "a line break at the end": canary + "\n", "a line break first": "\n" + canary,
		"a CR at the end": canary + "\r", "a CR and a line break": canary + "\r\n", "a tab inside": canary + "\t" + canary,
		"an escape": canary + "\x1b[2J", "DEL": canary + "\x7f",
		"a blank first": " " + canary, "a blank at the end": canary + " ", "a tab first": "\t" + canary,
		"a line break and a substitution": "\n" + code + canary,
	}
	asWord := map[string]string{"a substitution": canary + code, "quotes": canary + `"'`, "a leading dash": "-" + canary}
	inside := map[string]string{"a blank inside": canary + " " + canary}
	odd := map[string][]map[string]string{
		"OCP_DOCKER_HOST": {asWord, inside}, "IMAGE_PREFIX": {asWord, inside}, "BASE": {asWord, inside}, "VERSION": {asWord, inside},
		"ARCH": {{"a substitution": canary + code, "quotes": canary + `"'`, "a dash": "-" + canary, "blanks alone": "  "}}, "ENGINE": {asWord, inside},
		"OCP_USER": {inside, {"a leading dash": "-" + canary}}, "OCP_TOKEN": {inside}, "HZN_REGISTRY_AUTH": {asWord, inside},
		"HZN_ORG_ID": {inside}, "HZN_EXCHANGE_URL": {inside}, "HZN_EXCHANGE_USER_AUTH": {}, "CONTEXT": {}, "DEFINITION": {},
		"SERVICE_POLICY": {}, "PATTERN": {}, "POLICY": {}, "POLICY_NAME": {asWord, inside, {"a slash": "other/" + canary}}, "SERVICE_ID": {asWord, inside},
		"LOGIN_WAIT": {inside, {"letters": canary, "a sign": "-1", "a substitution": "1" + code, "days": "100000"}}, "NO_CONSTRAINTS": {asWord, inside},
		"CA_FILE": {}, "CA_DIR": {}, "REGISTRY_AUTH_FILE": {}, "DOCKER_CONFIG": {}, "HZN_PRIVATE_KEY_FILE": {}, "TMPDIR": {},
	}
	forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
		for name, more := range odd {
			for _, values := range append(more, everywhere) {
				for kind, value := range values {
					expectRefused(t, p, name, kind, value)
				}
			}
		}
		expectRefused(t, p, "HZN_REGISTRY_AUTH", "a line break after the host", host+":edge-puller.factory:"+pullToken+"\n"+canary)
	})
}

// expectRefused runs the script with a value in a variable that cannot have it.
func expectRefused(t *testing.T, p *pipeline, name, kind, value string) {
	t.Helper()
	g := NewWithT(t)
	sound := p.env
	defer func() { p.env = sound }()
	p.env = maps.Clone(sound)
	p.env[name] = value
	result := p.run()
	which := name + " with " + kind
	g.Expect(result.code).To(Equal(2), which)
	g.Expect(result.stdout).To(BeEmpty(), which)
	g.Expect(result.stderr).To(MatchRegexp(`(?m)^publish\.sh: `+name+` (has a line break, a blank or another character that it cannot have|is (not HOST:USER|another than)).*\n$`), which)
	g.Expect(result.stderr).NotTo(Or(ContainSubstring(canary), ContainSubstring("token-text"), ContainSubstring("\x1b"), ContainSubstring("\r")), which)
	g.Expect(p.recorded("calls")).To(BeEmpty(), which)
	g.Expect(p.recorded("tools")).NotTo(Or(ContainSubstring("mktemp"), ContainSubstring(canary)), which)
	g.Expect(filepath.Join(p.service, canary)).NotTo(BeAnExistingFile(), which)
}

// What may be in a value reaches the program as it is, and no shell runs it.
func TestPublishTakesEveryValueAsData(t *testing.T) {
	const odd = `'"\n*` + code
	asIs := map[string]string{
		"OCP_USER": `u` + strings.ReplaceAll(odd, " ", ""), "HZN_ORG_ID": "-" + strings.ReplaceAll(odd, " ", ""),
		"HZN_EXCHANGE_URL": "-" + strings.ReplaceAll(odd, " ", ""), "HZN_EXCHANGE_USER_AUTH": "-me:a b" + odd,
		"REGISTRY_AUTH_FILE": "-auth" + odd, "DOCKER_CONFIG": "-config" + odd, "HZN_PRIVATE_KEY_FILE": "-key" + odd,
	}
	context := "-a b$(echo >" + canary + ")'\"*"
	for _, engine := range []string{"docker", "podman"} {
		t.Run(engine, func(t *testing.T) {
			forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
				g := NewWithT(t)
				p.recordEnvironments()
				maps.Copy(p.env, asIs)
				p.env["ENGINE"] = engine
				p.env["OCP_TOKEN"] = "-" + strings.ReplaceAll(odd, " ", "")
				p.env["HZN_REGISTRY_AUTH"] = host + ":-" + asIs["OCP_USER"] + ":-pull" + strings.ReplaceAll(odd, " ", "")
				p.env["CONTEXT"], p.env["DEFINITION"], p.env["CA_FILE"], p.env["TMPDIR"] = context, "-d'\" e.json", "-c a", "-t `*"
				p.write(context+"/Dockerfile", "")
				p.write("-d'\" e.json", "$SERVICE_IMAGE")
				p.write("-c a", "the CA\n")
				for name, file := range map[string]string{"SERVICE_POLICY": "-s '\"`*", "PATTERN": "-p '\"`*", "POLICY": "-o '\"`*"} {
					p.env[name] = file
					p.write(file, "{}")
				}
				p.env["POLICY_NAME"] = "all"
				p.write("-t `*/kept", "")
				result := p.run("--public=" + odd)
				g.Expect(result.code).To(BeZero(), result.stdout+result.stderr)
				g.Expect(p.recorded("stdin")).To(Equal(p.env["OCP_TOKEN"]))
				calls := p.recorded("calls")
				for _, call := range []string{
					"\x1f--username\x1f" + p.env["OCP_USER"] + "\x1f", "\x1f./" + context + "\n",
					"\x1f-r\x1f" + p.env["HZN_REGISTRY_AUTH"] + "\x1f-f\x1f./-d'\" e.json\x1f", "\x1f--public=" + odd + "\n",
					"\x1faddpolicy\x1f-f\x1f./-s '\"`*\x1f", "\x1fpublish\x1f-f\x1f./-p '\"`*\n", "\x1faddpolicy\x1f-f\x1f./-o '\"`*\x1fall\n",
				} {
					g.Expect(calls).To(ContainSubstring(call))
				}
				for name, value := range asIs {
					g.Expect(p.environmentOf("hzn")).To(ContainSubstring(name+"="+value+"\n"), name)
				}
				g.Expect(filepath.Join(p.service, canary)).NotTo(BeAnExistingFile())
				g.Expect(must(os.ReadDir(filepath.Join(p.service, "-t `*")))).To(HaveLen(1), "the scratch folder is gone")
			})
		})
	}
}

// The caller exports the names that the script uses itself, and asks for export of everything.
func TestPublishExportsNoTokenToWhatItRuns(t *testing.T) {
	forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.shell = append(p.shell, "-a")
		p.recordEnvironments()
		for _, name := range []string{
			"push_token", "registry_auth", "exchange_auth", "text", "line", "rest", "needle", "needles", "listed",
			"password", "EDGE_CLUSTER_REGISTRY_TOKEN", "HZN_EXCHANGE_NODE_AUTH",
		} {
			p.env[name] = pushToken
		}
		p.env["CA_FILE"], p.env["ENGINE"] = "ca.crt", "podman"
		result := p.run()
		g.Expect(result.code).To(BeZero(), result.stderr)
		for _, program := range append([]string{"hzn", "podman"}, scriptTools...) {
			environment := p.environmentOf(program)
			g.Expect(environment).To(ContainSubstring("OCP_USER="), program)
			if program == "hzn" {
				const own = "HZN_EXCHANGE_USER_AUTH=me:password\n"
				g.Expect(environment).To(ContainSubstring(own))
				environment = strings.Replace(environment, own, "", 1)
			}
			g.Expect(environment).NotTo(Or(ContainSubstring("token-text"), ContainSubstring("me:password")), program)
		}
	})
}

// Docker would take each of them before the login of the script.
func TestPublishPassesOnNothingThatOutweighsItsLogin(t *testing.T) {
	forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.recordEnvironments()
		p.env["DOCKER_AUTH_CONFIG"] = `{"auths":{"` + host + `":{"auth":"` + canary + `"}}}`
		result := p.run()
		g.Expect(result.code).To(BeZero(), result.stderr)
		g.Expect(result.stderr).To(ContainSubstring("publish.sh: DOCKER_AUTH_CONFIG is not passed on"))
		for _, program := range append([]string{"hzn", "docker"}, scriptTools...) {
			g.Expect(p.environmentOf(program)).NotTo(ContainSubstring("DOCKER_AUTH_CONFIG"), program)
		}
		g.Expect(result.stdout + result.stderr).NotTo(ContainSubstring(canary))
	})
}

// The file of the push is the script's own, and where a helper still outweighs it, nothing is pushed.
func TestPublishStopsWhereAHelperOutweighsItsLogin(t *testing.T) {
	forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.env["ENGINE"], p.env["LOGGED_IN"] = "podman", "somebody-else"
		result := p.run()
		g.Expect(result.code).To(Equal(1))
		g.Expect(result.stdout).To(ContainSubstring("A credential helper of this machine outweighs the login: "))
		g.Expect(p.recorded("calls")).NotTo(Or(ContainSubstring("push"), ContainSubstring("build"), ContainSubstring("hzn")))
	})
}

func TestPublishRefusesADefinitionThatNamesACredential(t *testing.T) {
	tests := map[string]string{
		`{"x": "$OCP_TOKEN"}`: "OCP_TOKEN", `${OCP_TOKEN}`: "OCP_TOKEN", `$HZN_REGISTRY_AUTH`: "HZN_REGISTRY_AUTH",
		`{"x": "a${HZN_EXCHANGE_USER_AUTH}b"}`: "HZN_EXCHANGE_USER_AUTH", `$OCP_/* hidden */TOKEN-`: "OCP_TOKEN",
		`$password/`: "password", `${.dockerconfigjson}`: ".dockerconfigjson", `$DOCKER_AUTH_CONFIG`: "DOCKER_AUTH_CONFIG",
		"{\n\"x\": \"\n$HZN_EXCHANGE_NODE_AUTH\n\"}": "HZN_EXCHANGE_NODE_AUTH", `/* a */ $EDGE_CLUSTER_REGISTRY_TOKEN /* b */`: "EDGE_CLUSTER_REGISTRY_TOKEN",
	}
	const harmless = `/* $OCP_TOKEN */ {"image": "$SERVICE_IMAGE", "x": "$OCP_TOKENS ${OCP_TOKEN_} OCP_TOKEN"}`
	const definition = "horizon/service.definition.json"
	forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		refused := func(file, text, name string, arguments ...string) {
			p.write(definition, harmless)
			p.write("policy.json", "{}")
			p.write(file, text)
			result := p.run(arguments...)
			g.Expect(result.code).To(Equal(2), text)
			g.Expect(result.stderr).To(Equal("publish.sh: " + file + " names the credential " + name + ", which hzn would publish: remove it there\n"))
			g.Expect(p.recorded("calls")).To(BeEmpty())
		}
		for text, name := range tests {
			refused(definition, text, name)
			refused("policy.json", text, name, "--service-policy-file=policy.json")
		}
		refused("policy.json", "$OCP_TOKEN", "OCP_TOKEN", "-p", "policy.json")
		refused("policy.json", "$OCP_TOKEN", "OCP_TOKEN", "-ppolicy.json")
		p.write("policy.json", harmless)
		p.write(definition, harmless)
		g.Expect(p.run("-p", "policy.json").code).To(BeZero())
	})
}

// A secret of each length, after texts of six lengths, so that it begins and ends at each place in a group of three
// bytes; what is left to see of it is what shares a group with its neighbours.
func TestPublishMasksBase64WhereverTheTokenStandsInIt(t *testing.T) {
	forEachShellAndSh(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		p.env["OCP_TOKEN"] = strings.Repeat(`eyJ~|"\*?[]_-.Zz09`, 3) + "1"
		p.env["HZN_EXCHANGE_USER_AUTH"] = "me:pässword-of-mine"
		secrets := []string{p.env["OCP_TOKEN"], pullToken, "pässword-of-mine"}
		g.Expect([]int{len(secrets[0]) % 3, len(secrets[1]) % 3, len(secrets[2]) % 3}).To(ConsistOf(0, 1, 2))
		var says, cores []string
		for _, secret := range secrets {
			for before := range 6 {
				text := base64.StdEncoding.EncodeToString([]byte("abcde:"[6-before:] + secret + "}"))
				says = append(says, text)
				cores = append(cores, text[(before+2)/3*4:(before+len(secret))/3*4])
			}
			says, cores = append(says, secret), append(cores, secret)
		}
		p.note("says", strings.Join(says, "\n")+"\n")
		result := p.run()
		g.Expect(result.code).To(BeZero(), result.stderr)
		for _, core := range slices.Compact(cores) {
			g.Expect(result.stdout).NotTo(ContainSubstring(core))
		}
		g.Expect(strings.Count(result.stdout, "***")).To(BeNumerically(">=", len(says)))
	})
}
