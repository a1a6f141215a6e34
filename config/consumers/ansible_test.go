// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// The tasks run on this machine, where a program simulates oc and the script of the Secret writes down how it was called.
func TestAnsibleRunsTheScriptOfTheSecret(t *testing.T) {
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("ansible-playbook is not installed: Debian's package ansible-core")
	}
	for name, test := range map[string]struct {
		args   []string
		vars   map[string]any
		calls  string
		result string
	}{
		"a look at what it does": {[]string{"--check"}, map[string]any{"said": "would install"}, "--root /x --dry-run\n", "changed=1"},
		"a node that is right, and a login": {nil, map[string]any{"said": "unchanged", "edge_login": true},
			"--root /x\n--login FILE --root /x\n600 " + host + ":edge-puller.factory:" + pullToken + "\n", "changed=0"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			dir := t.TempDir()
			write := func(name, content string) string {
				path := filepath.Join(dir, name)
				g.Expect(os.WriteFile(path, []byte(content), 0o755)).To(Succeed())
				return path
			}
			script := `#!/bin/sh
case "$1" in
--login) echo "--login FILE $3 $4" >>"` + dir + `/calls"; stat -c '%a' "$2" | tr '\n' ' ' >>"` + dir + `/calls"; cat "$2" >>"` + dir + `/calls"; echo >>"` + dir + `/calls" ;;
*) echo "$*" >>"` + dir + `/calls" ;;
esac
echo "` + test.vars["said"].(string) + ` /etc/docker"
`
			secret := map[string]map[string][]byte{"data": {
				"node-bootstrap.sh": []byte(script), "HZN_REGISTRY_AUTH": []byte(host + ":edge-puller.factory:" + pullToken),
			}}
			write("secret.json", string(must(json.Marshal(secret))))
			write("oc", "#!/bin/sh\n[ \"$*\" = 'get secret factory-pull --namespace=factory --output=json' ] && cat "+dir+"/secret.json\n")
			vars := map[string]any{"edge_namespace": "factory", "edge_secret": "factory-pull", "edge_options": []string{"--root", "/x"}}
			for key, value := range test.vars {
				vars[key] = value
			}
			play := []node{{"hosts": "localhost", "connection": "local", "gather_facts": false, "tasks": []node{{
				"ansible.builtin.include_tasks": must(filepath.Abs("ansible.yaml")), "vars": vars,
			}}}}
			book := write("book.yaml", string(must(json.Marshal(play))))
			command := exec.CommandContext(t.Context(), "ansible-playbook", append([]string{"-v", "-i", "localhost,", book}, test.args...)...)
			command.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C.UTF-8", "ANSIBLE_NOCOLOR=1"}
			output, err := command.CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), string(output))
			g.Expect(string(output)).To(MatchRegexp(`localhost +: ok=\d+ +` + test.result + ` `))
			g.Expect(string(output)).NotTo(ContainSubstring(pullToken))
			g.Expect(string(must(os.ReadFile(dir + "/calls")))).To(Equal(test.calls))
			g.Expect(strings.Count(string(output), "failed=0")).To(Equal(1))
		})
	}
}
