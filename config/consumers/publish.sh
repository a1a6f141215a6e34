#!/bin/sh
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Publishes an Open Horizon service with the publish Secret of an EdgeRegistry.
# `sh publish.sh --help` says how.

# Tracing would print the tokens, whoever asked for it.
set -eu +xv

usage() {
	cat <<'END_OF_USAGE'
usage: publish.sh [ARGUMENT of "hzn exchange service publish"]...

Logs in to the registry, builds and pushes an image, and publishes the service to
the Exchange, once for each architecture. It may be run again: it overwrites.
All that it needs comes from the environment.

Keys of the publish Secret, as by envFrom:
  OCP_DOCKER_HOST OCP_USER OCP_TOKEN IMAGE_PREFIX HZN_REGISTRY_AUTH
Of the service:
  BASE        name of the image, without architecture and version
  VERSION     version of the service and tag of the image
  ARCH        architectures with a space between, as hzn names them;
              default: that of this machine
  CONTEXT     directory to build; default: the current one
              Dockerfile.ARCH in it is built, or else Dockerfile
  DEFINITION  default: horizon/service.definition.json
Of the Exchange, as for every hzn command:
  HZN_ORG_ID HZN_EXCHANGE_URL HZN_EXCHANGE_USER_AUTH
Of this machine:
  CA_FILE     file with the Secret's ca.crt; without it, this machine trusts the
              registry already
  ENGINE      docker, podman or buildah; default: the first of them that is here

The image is named $IMAGE_PREFIX/${BASE}_$ARCH:$VERSION. For the definition, ARCH,
SERVICE_VERSION and DOCKER_IMAGE_BASE are set as "hzn dev service new" writes them,
and SERVICE_IMAGE to the image by its digest. With docker, hzn puts the digest in
the place of a tag. With podman and buildah it cannot: write "image":
"$SERVICE_IMAGE" there, or nodes take whatever the tag means when they pull.

The login is stored where the engine stores logins: DOCKER_CONFIG (docker) and
REGISTRY_AUTH_FILE (podman, buildah) choose a place that ends with the job.
hzn signs the service with its own key, HZN_PRIVATE_KEY_FILE or a random one.

Exit status: that of the step that failed; 2 when something is missing, and then
nothing was done.
END_OF_USAGE
}

note() {
	printf 'publish.sh: %s\n' "$1" >&2
}

# complain counts what is wrong, so that one run tells all of it.
complain() {
	note "$1"
	complaints=$((complaints + 1))
}

# need_variables WHERE-FROM NAME...
need_variables() {
	origin=$1
	shift
	for name; do
		eval "value=\${$name-}"
		[ -n "$value" ] || complain "$name is not set: $origin"
	done
}

need_tool() {
	command -v "$1" >/dev/null 2>&1 || complain "$1 is not on PATH: $2"
}

need_engine() {
	case ${ENGINE-} in
	docker | podman | buildah) need_tool "$ENGINE" 'install it, or set ENGINE to another' ;;
	'')
		for ENGINE in docker podman buildah; do
			if command -v "$ENGINE" >/dev/null 2>&1; then return; fi
		done
		complain 'none of docker, podman and buildah is on PATH: install one'
		;;
	*) complain "ENGINE is \"$ENGINE\": set it to docker, podman or buildah" ;;
	esac
}

need_file() {
	if [ ! -r "$1" ] || [ -d "$1" ]; then complain "$1 is not a file that can be read: $2"; fi
}

# need_pull_token: -r is stored with the service, where every node reads it.
need_pull_token() {
	case ${HZN_REGISTRY_AUTH-} in
	'') ;; # It was complained of.
	"${OCP_DOCKER_HOST-}":?*:"${OCP_TOKEN-}") complain 'HZN_REGISTRY_AUTH carries the push token, which all nodes could read: take the value of that key from the publish Secret' ;;
	"${OCP_DOCKER_HOST-}":?*:?*) ;;
	*) complain 'HZN_REGISTRY_AUTH is not HOST:USER:TOKEN with the host of OCP_DOCKER_HOST: take both from the same Secret' ;;
	esac
}

dockerfile() {
	if [ -f "$CONTEXT/Dockerfile.$1" ]; then
		printf '%s\n' "$CONTEXT/Dockerfile.$1"
	else
		printf '%s\n' "$CONTEXT/Dockerfile"
	fi
}

check() {
	complaints=0
	need_variables 'take it from the publish Secret, as by envFrom' \
		OCP_DOCKER_HOST OCP_USER OCP_TOKEN IMAGE_PREFIX HZN_REGISTRY_AUTH
	need_variables 'it tells what to build, see --help' BASE VERSION
	need_variables 'hzn needs it to reach the Exchange' HZN_ORG_ID HZN_EXCHANGE_URL HZN_EXCHANGE_USER_AUTH
	need_pull_token
	need_engine
	need_tool hzn 'install the package horizon-cli of Open Horizon'
	need_file "$DEFINITION" 'set DEFINITION to the service definition'
	if [ -n "$CA_FILE" ]; then need_file "$CA_FILE" "set CA_FILE to a file with the Secret's ca.crt"; fi
	if [ -z "${ARCH-}" ] && command -v hzn >/dev/null 2>&1; then
		ARCH=$(hzn architecture </dev/null 2>/dev/null) || complain 'hzn does not tell the architecture: set ARCH'
	fi
	for arch in ${ARCH-}; do
		need_file "$(dockerfile "$arch")" 'set CONTEXT to the directory of the Dockerfile'
	done
	[ "$complaints" -eq 0 ] || exit 2
}

# hide VALUE: replaces it in $line.
hide() {
	rest=$line line=''
	while :; do
		case $rest in
		*"$1"*)
			line=$line${rest%%"$1"*}'***'
			rest=${rest#*"$1"}
			;;
		*) break ;;
		esac
	done
	line=$line$rest
}

# mask passes on each line as it comes, without the tokens. The shell does it by
# itself: for sed, they would be arguments.
mask() {
	while IFS= read -r line || [ -n "$line" ]; do
		hide "$OCP_TOKEN"
		hide "${HZN_REGISTRY_AUTH#*:*:}"
		printf '%s\n' "$line"
	done
}

# step NAME COMMAND...: runs the command with its output masked. A pipeline would
# lose its exit status, so that goes by a file.
step() {
	name=$1
	shift
	rm -f "$scratch/status"
	{
		status=0
		"$@" 2>&1 || status=$?
		echo "$status" >"$scratch/status"
	} | mask
	read -r status <"$scratch/status" || status=1
	if [ "$status" -ne 0 ]; then
		note "$name failed with exit status $status"
		exit "$status"
	fi
}

# trust_registry needs no root with podman and buildah: they are shown the CA.
trust_registry() {
	certs=''
	if [ -z "$CA_FILE" ]; then return; fi
	if [ "$ENGINE" != docker ]; then
		certs=$scratch/certs
		mkdir "$certs"
		cp "$CA_FILE" "$certs/ca.crt"
		return
	fi
	trusted=/etc/docker/certs.d/$OCP_DOCKER_HOST/ca.crt
	if [ ! -r "$trusted" ] || [ "$(cat "$trusted")" != "$(cat "$CA_FILE")" ]; then
		note "the Docker daemon has to trust the registry: if it does not, run as root on its machine: install -D -m 0644 $CA_FILE $trusted"
	fi
}

log_in() {
	printf '%s' "$OCP_TOKEN" |
		"$ENGINE" login ${certs:+--cert-dir="$certs"} --username "$OCP_USER" --password-stdin "$OCP_DOCKER_HOST"
}

build() {
	"$ENGINE" build ${certs:+--cert-dir="$certs"} --platform "linux/$ARCH" \
		--tag "$image" --file "$(dockerfile "$ARCH")" "$CONTEXT" </dev/null
}

# push leaves the digest in a file: it runs in a pipeline.
push() {
	if [ "$ENGINE" != docker ]; then
		"$ENGINE" push ${certs:+--cert-dir="$certs"} --digestfile "$scratch/digest" "$image"
		return
	fi
	docker push "$image" || return
	for reference in $(docker image inspect --format '{{join .RepoDigests " "}}' "$image"); do
		case $reference in "${image%:*}"@*) printf '%s\n' "${reference##*@}" >"$scratch/digest" ;; esac
	done
}

# publish: hzn takes the pull token as an argument and in no other way, so other
# processes of this machine see it while hzn runs. All nodes may read that one.
publish() {
	if [ "$ENGINE" != docker ]; then set -- -I "$@"; fi
	hzn exchange service publish -O -r "$HZN_REGISTRY_AUTH" -f "$DEFINITION" "$@" </dev/null
}

warn_of_tag() {
	if [ "$ENGINE" = docker ] || grep -qE '\$[{]?SERVICE_IMAGE|@sha256:' "$DEFINITION"; then return; fi
	note "warning: $DEFINITION is published with a tag instead of a digest: write \"image\": \"\$SERVICE_IMAGE\" there"
}

main() {
	CONTEXT=${CONTEXT:-.} DEFINITION=${DEFINITION:-horizon/service.definition.json} CA_FILE=${CA_FILE-}
	case ${1-} in -h | --help)
		usage
		exit 0
		;;
	esac
	check
	warn_of_tag
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trust_registry
	step "login to $OCP_DOCKER_HOST" log_in
	SERVICE_VERSION=$VERSION DOCKER_IMAGE_BASE=$IMAGE_PREFIX/$BASE
	export SERVICE_VERSION DOCKER_IMAGE_BASE
	for ARCH in $ARCH; do
		image=${DOCKER_IMAGE_BASE}_$ARCH:$VERSION
		step "build of $image" build
		rm -f "$scratch/digest"
		step "push of $image" push
		[ -s "$scratch/digest" ] || {
			note "$ENGINE does not tell the digest of $image"
			exit 1
		}
		SERVICE_IMAGE=${image%:*}@$(cat "$scratch/digest")
		export ARCH SERVICE_IMAGE
		step "publication of $BASE for $ARCH" publish "$@"
		note "published $SERVICE_IMAGE"
	done
}

# All runs from the last line, whose braces close it: half a download does nothing.
{ main "$@"; }
