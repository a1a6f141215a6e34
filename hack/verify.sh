#!/bin/sh
# Checks what no test and no linter sees: that generated files and formatting are current, go.mod files tidy, headers in
# place, packages small, documents and manifests renderable, the bundle fit for a catalogue and scripts clean. It changes nothing in the tree. `make verify` runs it.
set -eu
cd "$(dirname "$0")/.."

: "${KUSTOMIZE:?run this by make verify}"
: "${MAKE:=make}"
# Without git there would be no files to check, and every check would pass.
git rev-parse --is-inside-work-tree >/dev/null
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# files lists the tracked and the new files that exist and match the patterns.
files() {
	git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
		if [ -f "$file" ]; then echo "$file"; fi
	done
}

# generated: writing everything again in a copy of the tree changes nothing.
generated() {
	mkdir "$scratch/before"
	files . | tar -cf - -T - | tar -xf - -C "$scratch/before"
	cp -R "$scratch/before" "$scratch/after"
	"$MAKE" --no-print-directory -C "$scratch/after" generate manifests bundle dashboards fmt >"$scratch/log" 2>&1 || {
		cat "$scratch/log"
		return 1
	}
	(cd "$scratch" && diff -ruN before after) || {
		echo "run: make generate manifests bundle dashboards fmt"
		return 1
	}
}

# modules: every go.mod and go.sum names what is needed and nothing else.
modules() {
	result=0
	for module in $(files 'go.mod' '*/go.mod'); do
		(cd "$(dirname "$module")" && go mod tidy -diff) || {
			echo "run: cd $(dirname "$module") && go mod tidy"
			result=1
		}
	done
	return $result
}

vet() {
	go vet ./...
}

# headers: every Go file that no generator wrote begins with the licence header.
headers() {
	want=$(cat hack/boilerplate.go.txt)
	files '*.go' | grep -v '/zz_generated' | while IFS= read -r file; do
		if [ "$(head -n 2 "$file")" != "$want" ]; then echo "$file"; fi
	done >"$scratch/headers"
	[ ! -s "$scratch/headers" ] || {
		echo "these files do not begin with hack/boilerplate.go.txt:"
		cat "$scratch/headers"
		return 1
	}
}

# sizes: no package that ships has more than 20 files beside its tests and doc.go.
sizes() {
	files '*.go' | grep -v -e '_test\.go$' -e '/doc\.go$' -e '^test/' -e '^hack/' | sed -e 's|^[^/]*$|./&|' -e 's|/[^/]*$||' |
		sort | uniq -c | awk '$1 > 20 {print "package " $2 " has " $1 " files: move some to a package of their own"; found = 1} END {exit found}'
}

# manifests: every folder of config/ renders, and in each every Role is bound in its own namespace.
manifests() {
	for kustomization in $(files 'config/*kustomization.yaml'); do
		folder=$(dirname "$kustomization")
		$KUSTOMIZE build "$folder" >"$scratch/rendered.yaml" || {
			echo "$folder does not render"
			return 1
		}
		case $folder in config/samples | config/argocd/*) continue ;; esac
		namespaces Role >"$scratch/roles"
		namespaces RoleBinding >"$scratch/bindings"
		diff "$scratch/roles" "$scratch/bindings" || {
			echo "$folder: the Roles (<) and the RoleBindings (>) are in different namespaces"
			return 1
		}
	done
}

# namespaces lists the namespaces of the rendered objects of a kind.
namespaces() {
	awk -v kind="$1" '
		/^---$/ {found = 0}
		$0 == "kind: " kind {found = 1}
		/^[a-z]/ {metadata = ($0 == "metadata:")}
		found && metadata && /^  namespace: / {print $2}' "$scratch/rendered.yaml" | sort
}

# catalogued: the validators of the Operator Lifecycle Manager's own library pass the bundle.
catalogued() {
	(cd hack/bundlecheck && go test -vet=off -count=1 .)
}

# documents: every one is shown as it was meant, by the rules of GitHub's Markdown.
documents() {
	(cd hack/markdown && go test -vet=off -count=1 .)
}

scripts() {
	if ! command -v shellcheck >/dev/null; then
		echo "shellcheck is not installed: the shell scripts were not checked"
		return 0
	fi
	files '*.sh' .ci/run | xargs shellcheck
}

failed=
for check in headers sizes scripts documents manifests catalogued modules vet generated; do
	started=$(date +%s)
	# A subshell outside of any condition, or its set -e would not count; a failure must not hide the next check.
	set +e
	(set -e && $check)
	status=$?
	set -e
	verdict=ok
	[ $status = 0 ] || {
		verdict=FAILED
		failed="$failed $check"
	}
	printf 'verify: %-10s %-6s %3d s\n' "$check" "$verdict" $(($(date +%s) - started))
done
[ -z "$failed" ] || {
	echo "verify: failed:$failed" >&2
	exit 1
}
