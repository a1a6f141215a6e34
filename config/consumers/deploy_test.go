// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	portHost = host + ":5000"
	// listedToken is in the Exchange alone, so that the script does not know it.
	listedToken = "listed-in-the-exchange"
	// loginOfOperator is what hzn lists where the operator has put a login for a host with a port.
	loginOfOperator = `[
  {
    "dockAuthId": 7,
    "registry": "` + portHost + `",
    "token": "` + listedToken + `",
    "username": "edge-puller"
  }
]
`
	pulls = "docker pull --quiet --platform linux/amd64 " + prefix + "/sensor_amd64@" + digest
)

// deploying has all that may follow a service.
func deploying(p *pipeline) {
	maps.Copy(p.env, map[string]string{
		"ENGINE": "docker", "SERVICE_POLICY": "service.policy.json", "PATTERN": "pattern.json", "POLICY": "policy.json", "POLICY_NAME": "sensor-all",
	})
	for _, name := range []string{"SERVICE_POLICY", "PATTERN", "POLICY"} {
		p.write(p.env[name], `{"x": "$SERVICE_VERSION"}`)
	}
}

// withoutLogin is what the Secret of a registry at a host with a port has.
func withoutLogin(p *pipeline) {
	p.env["OCP_DOCKER_HOST"], p.env["IMAGE_PREFIX"] = portHost, portHost+"/factory"
	p.env["INSPECTED"] = portHost + "/factory/sensor_amd64@" + digest
	delete(p.env, "HZN_REGISTRY_AUTH")
}

// after are the calls from the first publication on.
func after(p *pipeline) []string {
	calls := p.calls()
	for i, call := range calls {
		if strings.HasPrefix(call, "hzn exchange service publish ") {
			return calls[i+1:]
		}
	}
	return nil
}

func TestPublishSendsPatternAndPoliciesAfterTheService(t *testing.T) {
	const (
		servicePolicy = "hzn exchange service addpolicy -f service.policy.json sensor_1.2.3_amd64"
		pattern       = "hzn exchange pattern publish -f pattern.json"
		policy        = "hzn exchange deployment addpolicy -f policy.json sensor-all"
	)
	tests := map[string]struct {
		change func(env map[string]string)
		want   []string
	}{
		"all":                      {func(map[string]string) {}, []string{servicePolicy, pattern, policy, pulls}},
		"without the first policy": {func(env map[string]string) { delete(env, "SERVICE_POLICY") }, []string{pattern, policy, pulls}},
		"the pattern alone":        {func(env map[string]string) { delete(env, "SERVICE_POLICY"); delete(env, "POLICY") }, []string{pattern, pulls}},
		"a policy alone":           {func(env map[string]string) { delete(env, "SERVICE_POLICY"); env["PATTERN"] = "" }, []string{policy, pulls}},
		"a policy for all nodes": {func(env map[string]string) { env["NO_CONSTRAINTS"] = "yes" },
			[]string{servicePolicy, pattern, strings.Replace(policy, " -f", " --no-constraints -f", 1), pulls}},
		"an id of its own": {func(env map[string]string) { env["SERVICE_ID"] = "a.b-c" },
			[]string{strings.Replace(servicePolicy, "sensor_", "a.b-c_", 1), pattern, policy, pulls}},
		"a nested name": {func(env map[string]string) {
			env["BASE"], env["INSPECTED"] = "line/sensor", prefix+"/line/sensor_amd64@"+digest
		}, []string{servicePolicy, pattern, policy, strings.Replace(pulls, "/sensor_", "/line/sensor_", 1)}},
	}
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				p := p.another(t)
				deploying(p)
				test.change(p.env)
				result := p.run()
				g.Expect(result.code).To(BeZero(), result.stderr)
				g.Expect(after(p)).To(Equal(test.want))
				g.Expect(result.stdout + result.stderr).NotTo(ContainSubstring("token-text"))
			})
		}
	})
}

// The pattern and the policy may name each architecture, so they wait for the last one.
func TestPublishSendsPatternAndPolicyOnceForAllArchitectures(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		deploying(p)
		p.env["ENGINE"], p.env["ARCH"] = "podman", "amd64 arm64"
		g.Expect(p.run().code).To(BeZero())
		g.Expect(after(p)).To(HaveExactElements(
			HaveSuffix("sensor_1.2.3_amd64"), HavePrefix("podman build"), HavePrefix("podman push"), HavePrefix("hzn exchange service publish"),
			HaveSuffix("sensor_1.2.3_arm64"), HavePrefix("hzn exchange pattern"), HavePrefix("hzn exchange deployment"),
			HavePrefix("podman pull"), HavePrefix("podman pull")))
		g.Expect(p.recorded("deployed-as")).To(Equal("amd64\narm64\narm64\narm64\n"))
	})
}

func TestPublishSaysWhatItDidBeforeAFailure(t *testing.T) {
	tests := map[string]struct{ says, before string }{
		"hzn exchange service addpolicy":    {"publication of the policy of sensor_1.2.3_amd64", "sensor for amd64"},
		"hzn exchange pattern publish":      {"publication of the pattern", "sensor for amd64, the policy of sensor_1.2.3_amd64"},
		"hzn exchange deployment addpolicy": {"publication of the deployment policy sensor-all", "sensor for amd64, the policy of sensor_1.2.3_amd64, the pattern"},
		"docker pull": {"pull of " + prefix + "/sensor_amd64@" + digest + " with the pull login",
			"sensor for amd64, the policy of sensor_1.2.3_amd64, the pattern, the deployment policy sensor-all"},
	}
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for call, test := range tests {
			t.Run(call, func(t *testing.T) {
				g := NewWithT(t)
				p := p.another(t)
				deploying(p)
				p.failAt(call)
				result := p.run()
				g.Expect(result.code).To(Equal(17))
				g.Expect(result.stdout).To(ContainSubstring("no space left\n"), "what hzn says of it")
				g.Expect(result.stderr).To(HaveSuffix("publish.sh: " + test.says + " failed with exit status 17; published before: " + test.before + "\n"))
				calls := p.calls()
				g.Expect(calls[len(calls)-1]).To(HavePrefix(call), "nothing is done after it")
			})
		}
	})
}

func TestPublishWaitsForTheLoginOfTheOperator(t *testing.T) {
	const asks = "hzn exchange service listauth sensor_1.2.3_amd64"
	others := strings.ReplaceAll(loginOfOperator, portHost, host)
	tests := map[string]struct {
		logins, sleeps string
		asked          int
	}{
		"it is there":                         {logins: loginOfOperator, asked: 1},
		"none is there, and it comes":         {sleeps: "sss", asked: 4},
		"another host's is there":             {logins: others, sleeps: "s", asked: 2},
		"one for a longer host is there":      {logins: strings.ReplaceAll(loginOfOperator, portHost, portHost+"0"), sleeps: "ss", asked: 3},
		"one for a host that ends so is here": {logins: strings.ReplaceAll(loginOfOperator, portHost, "my."+portHost), sleeps: "ss", asked: 3},
	}
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				p := p.another(t)
				deploying(p)
				withoutLogin(p)
				p.recordEnvironments()
				p.env["LOGIN_WAIT"] = "30"
				if test.logins != "" {
					p.note("logins", test.logins)
				}
				if test.sleeps != "" {
					p.note("coming", loginOfOperator)
					p.note("comes-after", test.sleeps)
				}
				result := p.run()
				g.Expect(result.code).To(BeZero(), result.stdout+result.stderr)
				want := []string{"hzn exchange service addpolicy -f service.policy.json sensor_1.2.3_amd64"}
				for i := range test.asked {
					if i > 0 {
						want = append(want, "sleep 10")
					}
					want = append(want, asks)
				}
				g.Expect(after(p)).To(Equal(append(want, "hzn exchange pattern publish -f pattern.json", "hzn exchange deployment addpolicy -f policy.json sensor-all")))
				g.Expect(result.stdout + result.stderr).NotTo(ContainSubstring(listedToken))
				g.Expect(p.environmentOf("sleep")).NotTo(Or(ContainSubstring(listedToken), ContainSubstring("token-text"), ContainSubstring("me:password")))
			})
		}
	})
}

func TestPublishSendsNothingToNodesThatWouldHaveNoLogin(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for _, test := range []struct {
			wait, without string
			sleeps        int
		}{{"0", "PATTERN", 0}, {"11", "POLICY", 2}, {"", "SERVICE_POLICY", 90}} {
			g := NewWithT(t)
			p := p.another(t)
			deploying(p)
			withoutLogin(p)
			p.env["LOGIN_WAIT"] = test.wait
			delete(p.env, test.without)
			result := p.run()
			g.Expect(result.code).To(Equal(1))
			g.Expect(strings.Count(p.recorded("calls"), "sleep 10\n")).To(Equal(test.sleeps))
			g.Expect(p.recorded("calls")).NotTo(Or(ContainSubstring("pattern"), ContainSubstring("deployment")))
			g.Expect(result.stdout).To(MatchRegexp("After [0-9]+ seconds the Exchange has no login for " + portHost + " with sensor_1.2.3_amd64, .* Give the EdgeRegistry spec.exchanges, "))
			g.Expect(result.stderr).To(MatchRegexp("publish.sh: wait for the login of sensor_1.2.3_amd64 failed with exit status 1; published before: sensor for amd64.*\n$"))
		}
	})
}

// Each architecture is a service with logins of its own.
func TestPublishWaitsForTheLoginOfEachArchitecture(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		deploying(p)
		withoutLogin(p)
		p.env["ENGINE"], p.env["ARCH"] = "podman", "amd64 arm64"
		p.note("logins", loginOfOperator)
		g.Expect(p.run().code).To(BeZero())
		calls := p.recorded("calls")
		for _, arch := range []string{"amd64", "arm64"} {
			g.Expect(calls).To(ContainSubstring("\x1flistauth\x1fsensor_1.2.3_" + arch + "\n"))
		}
	})
}

// A refusal is no absence, and waiting does not change it.
func TestPublishStopsWhereTheLoginsCannotBeListed(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		deploying(p)
		withoutLogin(p)
		p.note("logins", loginOfOperator)
		p.failAt("hzn exchange service listauth")
		result := p.run()
		g.Expect(result.code).To(Equal(17))
		g.Expect(result.stdout).To(ContainSubstring("no space left\n"))
		g.Expect(result.stderr).To(HaveSuffix("wait for the login of sensor_1.2.3_amd64 failed with exit status 17; published before: sensor for amd64, the policy of sensor_1.2.3_amd64\n"))
		g.Expect(p.recorded("calls")).NotTo(Or(ContainSubstring("pattern"), ContainSubstring("sleep")))
		g.Expect(result.stdout + result.stderr).NotTo(ContainSubstring(listedToken))
	})
}

// Nothing waits for a login where hzn has stored it with the service, or where nothing is sent to nodes.
func TestPublishWaitsForNoLoginThatIsNotNeeded(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		g := NewWithT(t)
		deploying(p)
		g.Expect(p.run().code).To(BeZero())
		p = p.another(t)
		withoutLogin(p)
		p.env["ENGINE"] = "docker"
		result := p.run()
		g.Expect(result.code).To(BeZero())
		g.Expect(after(p)).To(BeEmpty())
		g.Expect(result.stderr).To(ContainSubstring("no pull is tried with the pull login"))
	})
}

func TestPublishPullsWithThePullLoginAlone(t *testing.T) {
	user, token := "edge-puller.factory", strings.Repeat("a long token ", 20)[:250]
	token = strings.ReplaceAll(token, " ", "~")
	want := `{"auths":{"` + host + `":{"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":"+token)) + `"}}}` + "\n"
	for _, engine := range []string{"docker", "podman", "buildah"} {
		t.Run(engine, func(t *testing.T) {
			forEachShell(t, func(t *testing.T, p *pipeline) {
				g := NewWithT(t)
				p.env["ENGINE"], p.env["HZN_REGISTRY_AUTH"] = engine, host+":"+user+":"+token
				p.env["REGISTRY_AUTH_FILE"], p.env["DOCKER_CONFIG"] = p.temp+"/auth.json", p.temp+"/docker"
				result := p.run()
				g.Expect(result.code).To(BeZero(), result.stderr)
				g.Expect(p.recorded("pulled-with")).To(Equal(want))
			})
		})
	}
}

func TestPublishRefusesAPathThatTheEngineWouldCut(t *testing.T) {
	const context = "a,b"
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for engine, code := range map[string]int{"docker": 0, "podman": 2, "buildah": 2} {
			g := NewWithT(t)
			p := p.another(t)
			p.env["ENGINE"], p.env["CONTEXT"] = engine, context
			p.write(context+"/Dockerfile", "")
			result := p.run()
			g.Expect(result.code).To(Equal(code), engine)
			if code != 0 {
				g.Expect(result.stderr).To(Equal("publish.sh: CONTEXT has a comma, where " + engine + " cuts the path of a Dockerfile: build in a directory without one\n"))
				g.Expect(p.recorded("calls")).To(BeEmpty())
			}
		}
	})
}

func TestPublishRefusesAPatternOrPolicyThatNamesACredential(t *testing.T) {
	forEachShell(t, func(t *testing.T, p *pipeline) {
		for _, name := range []string{"SERVICE_POLICY", "PATTERN", "POLICY"} {
			g := NewWithT(t)
			p := p.another(t)
			deploying(p)
			p.write(p.env[name], `{"userInput": "${HZN_EXCHANGE_USER_AUTH}"}`)
			result := p.run()
			g.Expect(result.code).To(Equal(2))
			g.Expect(result.stderr).To(Equal("publish.sh: " + p.env[name] + " names the credential HZN_EXCHANGE_USER_AUTH, which hzn would publish: remove it there\n"))
			g.Expect(p.recorded("calls")).To(BeEmpty())
		}
	})
}
