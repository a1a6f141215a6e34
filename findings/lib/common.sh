#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What the findings share; each of them sources it. It goes to an empty folder, which is also the home, so that no login
# and no setting of whoever runs it counts, and which is removed at the end with all that was started.
set -euo pipefail

lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
started=()

finish() {
	local pid
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' INT TERM

if command -v go >/dev/null; then
	# Downloads and built packages are kept where Go keeps them; they are checked by their sums.
	GOMODCACHE=$(go env GOMODCACHE) GOCACHE=$(go env GOCACHE)
	export GOMODCACHE GOCACHE GOBIN="$folder/bin" GOFLAGS=-mod=mod GOWORK=off
fi
unset DOCKER_CONFIG DOCKER_AUTH_CONFIG REGISTRY_AUTH_FILE XDG_CONFIG_HOME XDG_RUNTIME_DIR
mkdir "$folder/home" "$folder/bin"
export HOME="$folder/home" PATH="$folder/bin:$PATH" PYTHONPATH="$lib" PYTHONDONTWRITEBYTECODE=1
cd "$folder"

fail() {
	printf 'NOT as stated: %s\n' "$*" >&2
	exit 1
}

# debian PACKAGE PROGRAM TEXT: the program is there, and its version contains the text.
debian() {
	command -v "$2" >/dev/null || fail "$2 is not installed: apt-get install $1"
	local version
	version=$("$2" --version | head -n 1)
	[[ $version == *"$3"* ]] || fail "this is about $2 $3, and here is: $version"
	echo "$version"
}

# seen WHAT STATED GOT prints what was seen, and fails unless it is what was stated.
seen() {
	printf '%-52s %s\n' "$1" "$3"
	[ "$2" = "$3" ] || fail "$1: stated was: $2"
}

# background COMMAND... is ended with the script.
background() {
	"$@" &
	started+=($!)
}

# wait_for COMMAND... until it succeeds, a minute at most.
wait_for() {
	local attempt
	for attempt in $(seq 600); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	fail "nothing after $attempt attempts: $*"
}

# stand_in basic|bearer starts a registry that answers /v2/ and no more; its port is in the file `port`. What it was asked
# is in the file `requests`, a line each: method, path, Authorization and body.
stand_in() {
	rm -f port
	background python3 "$lib/registry.py" "$1" >>requests
	wait_for test -s port
}

encoded() { printf %s "$1" | base64 -w 0; }

# build_distribution makes the program `distribution`: distribution 3.1.2, the registry, as a library, without the storage
# of clouds. `distribution CONFIG PORT` serves by a configuration file and the variables REGISTRY_*, and writes its port.
build_distribution() {
	mkdir distribution-source
	cat >distribution-source/go.mod <<-'MOD'
		module distribution

		go 1.26.0

		require github.com/distribution/distribution/v3 v3.1.2
	MOD
	# The line keeps the file out of the operator's own module.
	grep -v '^//go:build ignore$' "$lib/distribution.go" >distribution-source/main.go
	(cd distribution-source && go build -o "$GOBIN/distribution" .)
}

# serve NAME starts `distribution` with NAME.yml and sets `address` to its host:port.
serve() {
	background distribution "$1.yml" "$1.port" >"$1.log" 2>&1
	wait_for test -s "$1.port"
	# shellcheck disable=SC2034 # for whoever sources this
	address=127.0.0.1:$(cat "$1.port")
}

# upstream basic|REALM starts lib/upstream.py; its port is in the file `port`, and what it was asked in the file `requests`.
upstream() {
	rm -f port
	background python3 "$lib/upstream.py" "$1" >requests
	wait_for test -s port
}

# serve_cache basic|REALM starts that as registry.example.com and a cache of it by cache.yml, whose host:port is then in `address`.
serve_cache() {
	rm -f cache.port
	upstream "$1"
	HTTP_PROXY=http://127.0.0.1:$(cat port) serve cache
}

# pull_by_cache prints the status with which the cache answers for the image, and leaves the answer in the file `answer`.
pull_by_cache() {
	curl -sS -o answer -w '%{http_code}' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		"http://$address/v2/plant/sensor/manifests/1.0.0"
}

# crane_user HOST: the user of the login that crane finds, or none.
crane_user() {
	local user
	user=$(crane auth get "$1" 2>/dev/null | sed -n 's/.*"Username":"\([^"]*\)".*/\1/p')
	echo "${user:-none}"
}

# pass_store makes a store of the program pass 1.7.4 with a key of its own, and has crane keep logins there by Docker's helper.
pass_store() {
	local program version
	for program in pass gpg; do
		command -v $program >/dev/null || fail "$program is not installed: apt-get install pass gnupg"
	done
	version=$(pass --version | grep -o 'v[0-9.]*')
	[ "$version" = v1.7.4 ] || fail "this is about pass v1.7.4, and here is: $version"
	echo "pass $version"
	unset PASSWORD_STORE_DIR GNUPGHOME
	# gpg starts its agent by itself.
	trap 'gpgconf --kill all; finish' EXIT
	go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
	go install github.com/docker/docker-credential-helpers/pass/cmd@v0.9.13
	mv bin/cmd bin/docker-credential-pass
	install -d -m 700 home/.gnupg
	gpg --batch --quiet --passphrase '' --quick-generate-key edge future-default default never 2>/dev/null
	pass init edge >/dev/null
	mkdir home/.docker
	echo '{"credsStore": "pass"}' >home/.docker/config.json
}

# crane_login HOST USER PASSWORD logs in as `docker login` does, and prints the user and the password that are then used.
crane_login() {
	crane auth login "$1" -u "$2" -p "$3" 2>/dev/null
	crane auth get "$1" | sed -n 's/.*"Username":"\([^"]*\)","Secret":"\([^"]*\)".*/\1 \2/p'
}

# kubelet_module FOLDER REQUIREMENT... writes a go.mod that takes packages of the kubelet, of Kubernetes 1.36.3.
kubelet_module() {
	local folder=$1 module
	shift
	mkdir "$folder"
	{
		printf 'module program\n\ngo 1.26.0\n\nrequire (\n'
		printf '\t%s\n' "$@" 'k8s.io/api v0.36.3' 'k8s.io/kubernetes v1.36.3'
		printf ')\n\nreplace (\n'
		# The modules of Kubernetes name each other by no version.
		for module in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap \
			code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming \
			csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator \
			kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission \
			sample-apiserver sample-cli-plugin sample-controller streaming; do
			printf '\tk8s.io/%s => k8s.io/%s v0.36.3\n' "$module" "$module"
		done
		echo ')'
	} >"$folder/go.mod"
}
