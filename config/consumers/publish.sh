#!/bin/sh
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Publishes an Open Horizon service with the publish Secret of an EdgeRegistry.
# `sh publish.sh --help` says how.

# Tracing would print the tokens and -a would export them, whoever asked for it. With
# -f, a value is never taken for a pattern of file names.
set -euf +axv

usage() {
	cat <<'END_OF_USAGE'
usage: publish.sh [ARGUMENT of "hzn exchange service publish"]...

Logs in to the registry, builds and pushes an image, and publishes the service to
the Exchange, once for each architecture. Then come pattern and policy, and a pull by
digest with the pull login. It may be run again: it overwrites. All that it needs
comes from the environment.

Keys of the publish Secret, as by envFrom:
  OCP_DOCKER_HOST OCP_USER OCP_TOKEN IMAGE_PREFIX HZN_REGISTRY_AUTH
  The last is not there for a host with a port, which hzn would misread: the service
  is then published without a login for nodes, and a note says so.
Of the service:
  BASE        name of the image, without architecture and version
  VERSION     version of the service and tag of the image
  ARCH        architectures with a space between, as hzn names them;
              default: that of this machine
  CONTEXT     directory to build; default: the current one
              Dockerfile.ARCH in it is built, or else Dockerfile
  DEFINITION  default: horizon/service.definition.json
Of what may follow the service:
  SERVICE_POLICY  file with the policy of the service
  PATTERN         file with a pattern
  POLICY          file with a deployment policy; POLICY_NAME is its name. One for all
                  nodes, without constraints, needs NO_CONSTRAINTS=yes
  SERVICE_ID      id of the service in the Exchange, without _VERSION_ARCH;
                  default: BASE, from its last / on
  LOGIN_WAIT      seconds that PATTERN and POLICY wait for a login that the operator
                  puts there, where HZN_REGISTRY_AUTH is absent; default: 900
Of the Exchange, as for every hzn command:
  HZN_ORG_ID HZN_EXCHANGE_URL HZN_EXCHANGE_USER_AUTH
Of this machine:
  CA_FILE     file with the Secret's ca.crt; without it, this machine trusts the
              registry already
  CA_DIR      instead of CA_FILE: folder that the Secret's ca.crt is mounted to;
              there is none where public CAs verify the registry
  ENGINE      docker, podman or buildah; default: the first of them that is here

The image is named $IMAGE_PREFIX/${BASE}_$ARCH:$VERSION. For the definition, ARCH,
SERVICE_VERSION and DOCKER_IMAGE_BASE are set as "hzn dev service new" writes them,
and SERVICE_IMAGE to the image by its digest. With docker, hzn puts the digest in
the place of a tag. With podman and buildah it cannot: write "image":
"$SERVICE_IMAGE" there, or nodes take whatever the tag means when they pull.

The login is stored where the engine stores logins: DOCKER_CONFIG (docker) and
REGISTRY_AUTH_FILE (podman, buildah) choose a place that ends with the job.
DOCKER_AUTH_CONFIG would outweigh it and is not passed on.
hzn signs with its own key, HZN_PRIVATE_KEY_FILE or a random one. It replaces
variables in all these files and in those that arguments name; in PATTERN and POLICY,
ARCH is the last one. A file that names a credential, as $OCP_TOKEN, is refused.

Exit status: that of the step that failed; 2 when something is missing or has a
character that it cannot have, and then nothing was done.
END_OF_USAGE
}

note() {
	printf 'publish.sh: %s\n' "$1" >&2
}

# complain remembers that something is wrong, so that one run tells all of it.
complain() {
	note "$1"
	wrong=1
}

# take_credentials moves them into variables that are not exported: no program of
# the build needs them, and hzn would put them into a definition that names them. A
# variable that the caller exported stays exported when it is set, so all are unset.
take_credentials() {
	unset push_token registry_auth exchange_auth text line rest needle needles listed
	push_token=${OCP_TOKEN-} registry_auth=${HZN_REGISTRY_AUTH-} exchange_auth=${HZN_EXCHANGE_USER_AUTH-}
	if [ -n "${DOCKER_AUTH_CONFIG-}" ]; then note 'DOCKER_AUTH_CONFIG is not passed on: it would outweigh the login of the publish Secret'; fi
	# The last three are further copies: envFrom sets all keys of a Secret.
	unset OCP_TOKEN HZN_REGISTRY_AUTH HZN_EXCHANGE_USER_AUTH DOCKER_AUTH_CONFIG \
		HZN_EXCHANGE_NODE_AUTH password EDGE_CLUSTER_REGISTRY_TOKEN
}

# need_value NAME VALUE WHAT-TO-DO PATTERN-OF-WHAT-IS-WRONG... The value is not shown:
# it may be a token, in whichever variable.
need_value() {
	name=$1 text=$2 advice=$3
	shift 3
	[ -n "$text" ] || complain "$name is not set: $advice"
	check_value "$@"
}

# check_value PATTERN-OF-WHAT-IS-WRONG...: checks $text, the value of $name.
check_value() {
	for pattern in '*[[:cntrl:]]*' '[[:blank:]]*' '*[[:blank:]]' "$@"; do
		# shellcheck disable=SC2254 # It is a pattern.
		case $text in $pattern)
			note "$name has a line break, a blank or another character that it cannot have: $advice"
			malformed=2
			return
			;;
		esac
	done
}

# check_values returns 1 when a value is missing and 2 when one is malformed, and
# takes bytes as characters in every locale.
check_values() (
	LC_ALL=C wrong=0 malformed=0
	advice='take it from the publish Secret, as by envFrom, with nothing before or after it'
	need_value OCP_DOCKER_HOST "${OCP_DOCKER_HOST-}" "$advice" '[!0-9A-Za-z]*' '*[!0-9A-Za-z.:-]*'
	need_value OCP_USER "${OCP_USER-}" "$advice" '-*' '*[!!-~]*'
	need_value OCP_TOKEN "$push_token" "$advice" '*[!!-~]*'
	need_value IMAGE_PREFIX "${IMAGE_PREFIX-}" "$advice" '[!0-9A-Za-z]*' '*[!0-9A-Za-z._/:-]*'
	text=${OCP_DOCKER_HOST-}
	# It is absent where hzn would misread it.
	if [ -n "$registry_auth" ] || [ "$text" = "${text%%:*}" ]; then
		need_value HZN_REGISTRY_AUTH "$registry_auth" "$advice" '*[!!-~]*'
	fi
	advice='it tells what to build, see --help'
	need_value BASE "${BASE-}" "$advice" '[!0-9A-Za-z]*' '*[!0-9A-Za-z._/-]*'
	need_value VERSION "${VERSION-}" "$advice" '[!0-9A-Za-z_]*' '*[!0-9A-Za-z._-]*'
	advice='hzn needs it to reach the Exchange'
	need_value HZN_ORG_ID "${HZN_ORG_ID-}" "$advice" '*[[:blank:]]*'
	need_value HZN_EXCHANGE_URL "${HZN_EXCHANGE_URL-}" "$advice" '*[!!-~]*'
	need_value HZN_EXCHANGE_USER_AUTH "$exchange_auth" "$advice"
	advice='correct it or leave it out, see --help'
	for name in CONTEXT DEFINITION SERVICE_POLICY PATTERN POLICY NO_CONSTRAINTS CA_FILE CA_DIR ENGINE REGISTRY_AUTH_FILE DOCKER_CONFIG HZN_PRIVATE_KEY_FILE TMPDIR; do
		eval "text=\${$name-}"
		check_value
	done
	name=ARCH text=${ARCH-}
	check_value '*[!0-9A-Za-z_ ]*'
	name=SERVICE_ID text=${SERVICE_ID-}
	check_value '[!0-9A-Za-z]*' '*[!0-9A-Za-z._-]*'
	name=POLICY_NAME text=${POLICY_NAME-}
	check_value '[!0-9A-Za-z]*' '*[!0-9A-Za-z._-]*'
	name=LOGIN_WAIT text=${LOGIN_WAIT-}
	check_value '*[!0-9]*' '??????*'
	return "$((malformed ? malformed : wrong))"
)

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
	*) complain 'ENGINE is another than docker, podman and buildah: set it to one of them' ;;
	esac
}

need_file() {
	if [ ! -r "$1" ] || [ -d "$1" ]; then complain "$1 is not a file that can be read: $2"; fi
}

# need_pull_token: -r is stored with the service, where every node reads it.
need_pull_token() {
	case $registry_auth in
	'') ;; # It was complained of.
	"${OCP_DOCKER_HOST-}":?*:*"${push_token:-no token}"*) complain 'HZN_REGISTRY_AUTH carries the push token, which all nodes could read: take the value of that key from the publish Secret' ;;
	"${OCP_DOCKER_HOST-}":?*:?*) ;;
	*) complain 'HZN_REGISTRY_AUTH is not HOST:USER:TOKEN with the host of OCP_DOCKER_HOST: take both from the same Secret' ;;
	esac
}

# need_no_credential FILE: finds variables in the way of hzn, which drops comments
# first. What the shell keeps of the text is its own: no program sees more of it than
# cat.
need_no_credential() (
	LC_ALL=C
	text=$(cat "$1") rest=''
	while :; do
		case $text in *'/*'*'*/'*) ;; *) break ;; esac
		rest=$rest${text%%'/*'*}
		text=${text#*'/*'}
		text=${text#*'*/'}
	done
	text="$rest$text "
	for name in OCP_TOKEN HZN_REGISTRY_AUTH HZN_EXCHANGE_USER_AUTH HZN_EXCHANGE_NODE_AUTH \
		DOCKER_AUTH_CONFIG EDGE_CLUSTER_REGISTRY_TOKEN password .dockerconfigjson; do
		case $text in *"\${$name}"* | *"\$$name"[!0-9A-Za-z_]*)
			note "$1 names the credential $name, which hzn would publish: remove it there"
			return 1
			;;
		esac
	done
)

# check_files ARGUMENT...: hzn replaces variables in the files of its arguments too.
check_files() {
	need_file "$DEFINITION" 'set DEFINITION to the service definition'
	for name in SERVICE_POLICY PATTERN POLICY; do
		eval "file=\$$name"
		[ -z "$file" ] || need_file "$file" "set $name to the file, or leave it out"
	done
	for argument in "$DEFINITION" "$SERVICE_POLICY" "$PATTERN" "$POLICY" "$@"; do
		for file in "$argument" "${argument#--*=}" "${argument#-?}"; do
			if [ -f "$file" ] && [ -r "$file" ]; then
				need_no_credential "$file" || wrong=1
				break
			fi
		done
	done
	if [ -n "$CA_DIR" ] && [ ! -d "$CA_DIR" ]; then complain "$CA_DIR is not a folder: set CA_DIR to the one that the Secret's ca.crt is mounted to"; fi
	if [ -z "$CA_FILE" ] && [ -e "$CA_DIR/ca.crt" ]; then CA_FILE=$CA_DIR/ca.crt; fi
	if [ -n "$CA_FILE" ]; then need_file "$CA_FILE" "set CA_FILE to a file with the Secret's ca.crt"; fi
}

dockerfile() {
	file=$CONTEXT/Dockerfile.$1
	[ -f "$file" ] || file=$CONTEXT/Dockerfile
	printf '%s\n' "$file"
}

# check ARGUMENT...: hzn is asked for the architecture only when nothing else is wrong.
# What follows a malformed value could show it, so that ends it.
check() {
	wrong=0
	check_values || wrong=$?
	[ "$wrong" -ne 2 ] || exit 2
	need_pull_token
	need_engine
	case $ENGINE:$CONTEXT in podman:*,* | buildah:*,*) complain "CONTEXT has a comma, where $ENGINE cuts the path of a Dockerfile: build in a directory without one" ;; esac
	case ${NO_CONSTRAINTS-} in '' | yes) ;; *) complain 'NO_CONSTRAINTS is another than yes: set it to that or leave it out' ;; esac
	[ -z "$POLICY" ] || [ -n "${POLICY_NAME-}" ] || complain 'POLICY_NAME is not set: the Exchange has POLICY by that name'
	need_tool hzn 'install the package horizon-cli of Open Horizon'
	need_tool base64 'it is one of coreutils and of busybox'
	check_files "$@"
	if [ -z "${ARCH-}" ] && [ "$wrong" -eq 0 ]; then
		ARCH=$(hzn architecture </dev/null 2>/dev/null) || ARCH=''
		[ -n "$ARCH" ] || complain 'hzn does not tell the architecture: set ARCH'
		check_values || exit 2
	fi
	for arch in ${ARCH-}; do
		need_file "$(dockerfile "$arch")" 'set CONTEXT to the directory of the Dockerfile'
	done
	[ "$wrong" -eq 0 ] || exit 2
}

# hide VALUE: replaces it in $line.
hide() {
	rest=$line line=''
	while :; do
		case $rest in *"$1"*) ;; *) break ;; esac
		line=$line${rest%%"$1"*}'***'
		rest=${rest#*"$1"}
	done
	line=$line$rest
}

# in_base64 VALUE: base64 breaks lines, which this puts together again.
in_base64() {
	printf '%s' "$1" | base64 | while read -r line; do printf '%s' "$line"; done
}

# encoded VALUE: prints what the base64 of every text has that contains the value, a
# line for each place in a group of three bytes at which the value may begin. The
# groups that the value shares with other text are left out.
encoded() (
	LC_ALL=C
	rest=$1
	for _ in 1 2 3; do
		text=$(in_base64 "$rest")
		case $text in *=) text=${text%????} ;; esac
		printf '%s\n' "$text"
		rest=${rest#?}
	done
)

# prepare_mask sets $needles to what is hidden, one in each line: the secrets, and
# their base64 wherever they stand in what is encoded, as USER:TOKEN.
prepare_mask() {
	needles=''
	for needle in "$push_token" "${registry_auth#*:*:}" "${exchange_auth#*:}"; do
		needles="$needles
$needle
$(encoded "$needle")"
	done
}

# mask passes on each line as it comes, without the tokens. The shell does it by
# itself: for sed, they would be arguments.
mask() {
	# It runs in a pipeline, so this IFS is its own.
	IFS='
'
	while IFS= read -r line || [ -n "$line" ]; do
		for needle in $needles; do hide "$needle"; done
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
		note "$name failed with exit status $status${finished:+; published before: $finished}"
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

# log_in OPTION...
log_in() {
	printf '%s' "$push_token" |
		"$ENGINE" login "$@" ${certs:+--cert-dir="$certs"} --username "$OCP_USER" --password-stdin "$OCP_DOCKER_HOST"
}

# log_in_for_push: a login for host/project that is in the usual file already would
# outweigh this one. A helper in registries.conf is asked before any file.
log_in_for_push() {
	log_in --authfile="$logins" || return
	if [ "$("$ENGINE" login --authfile="$logins" --get-login "$IMAGE_PREFIX")" = "$OCP_USER" ]; then return; fi
	echo "A credential helper of this machine outweighs the login: take it out of credential-helpers in registries.conf."
	return 1
}

build() {
	"$ENGINE" build ${certs:+--cert-dir="$certs"} --platform "linux/$ARCH" \
		--tag "$image" --file "$(dockerfile "$ARCH")" "$CONTEXT" </dev/null
}

# push leaves the digest in a file: it runs in a pipeline.
push() {
	if [ "$ENGINE" != docker ]; then
		"$ENGINE" push --authfile="$logins" ${certs:+--cert-dir="$certs"} --digestfile "$scratch/digest" "$image"
		return
	fi
	docker push "$image" || return
	for reference in $(docker image inspect --format '{{join .RepoDigests " "}}' "$image"); do
		case $reference in "${image%:*}"@*) printf '%s\n' "${reference##*@}" >"$scratch/digest" ;; esac
	done
}

# exchange ARGUMENT...: its login is in the environment of this command alone.
exchange() {
	HZN_EXCHANGE_USER_AUTH=$exchange_auth hzn exchange "$@" </dev/null
}

# publish: hzn takes the pull token as an argument and in no other way, so other
# processes of this machine see it while hzn runs. All nodes may read that one.
publish() {
	if [ "$ENGINE" != docker ]; then set -- -I "$@"; fi
	set -- -f "$DEFINITION" "$@"
	if [ -n "$registry_auth" ]; then set -- -r "$registry_auth" "$@"; fi
	exchange service publish -O "$@"
}

# publication WHAT COMMAND...: a step that a later failure tells of.
publication() {
	what=$1
	shift
	step "publication of $what" "$@"
	finished="${finished:+$finished, }$what"
}

# deliver ARGUMENT...: brings the service for one architecture to the Exchange.
deliver() {
	image=${DOCKER_IMAGE_BASE}_$ARCH:$VERSION service=${SERVICE_ID:-${BASE##*/}}_${VERSION}_$ARCH
	step "build of $image" build
	rm -f "$scratch/digest"
	step "push of $image" push
	[ -s "$scratch/digest" ] || { note "$ENGINE does not tell the digest of $image" && exit 1; }
	SERVICE_IMAGE=${image%:*}@$(cat "$scratch/digest")
	export ARCH SERVICE_IMAGE
	publication "$BASE for $ARCH" publish "$@"
	note "published $SERVICE_IMAGE"
	services="$services $service" images="$images $ARCH=$SERVICE_IMAGE"
	[ -z "$SERVICE_POLICY" ] || publication "the policy of $service" exchange service addpolicy -f "$SERVICE_POLICY" "$service"
}

# wait_for_login SERVICE: hzn cannot write an entry for a host with a port, so one is
# the operator's. It exits with 8 where there is no entry at all. What it lists has
# tokens that the mask does not know, and is not shown.
wait_for_login() {
	waited=0
	while :; do
		code=0
		listed=$(exchange service listauth "$1" 2>"$scratch/said") || code=$?
		case $code:$listed in
		0:*"\"registry\": \"$OCP_DOCKER_HOST\""*) return ;;
		0:* | 8:*) ;;
		*) cat "$scratch/said" && return "$code" ;;
		esac
		[ "$waited" -lt "$LOGIN_WAIT" ] || break
		sleep 10
		waited=$((waited + 10))
	done
	echo "After $waited seconds the Exchange has no login for $OCP_DOCKER_HOST with $1, so nodes would start without one: no pattern or deployment policy is published. Give the EdgeRegistry spec.exchanges, wait until its condition ExchangeUpdated is True, see that SERVICE_ID is right, and run this again"
	return 1
}

# deploy: what has nodes take the service comes after the login that they need.
deploy() {
	if [ -z "$registry_auth" ]; then
		for service in $services; do step "wait for the login of $service" wait_for_login "$service"; done
	fi
	[ -z "$PATTERN" ] || publication "the pattern" exchange pattern publish -f "$PATTERN"
	[ -z "$POLICY" ] || publication "the deployment policy $POLICY_NAME" \
		exchange deployment addpolicy ${NO_CONSTRAINTS:+--no-constraints} -f "$POLICY" "$POLICY_NAME"
}

# pull asks the registry even for an image that is here. "docker login" might put this
# login in the place of that of the push, into a credential helper.
pull() {
	mkdir -p "$scratch/node"
	printf '{"auths":{"%s":{"auth":"%s"}}}\n' "$OCP_DOCKER_HOST" "$(in_base64 "${registry_auth#*:}")" >"$scratch/node/config.json"
	if [ "$ENGINE" = buildah ]; then set -- --policy=always; fi
	DOCKER_CONFIG=$scratch/node REGISTRY_AUTH_FILE=$scratch/node/config.json \
		"$ENGINE" pull --quiet "$@" ${certs:+--cert-dir="$certs"} --platform "linux/$ARCH" "$SERVICE_IMAGE"
}

warn_of_login() {
	[ -n "$registry_auth" ] ||
		note "hzn misreads a host with a port, so the service is published without a login for $OCP_DOCKER_HOST: give it to the nodes by node-bootstrap.sh --login, or to the service in the Exchange; no pull is tried with the pull login, which is not here"
}

warn_of_tag() {
	if [ "$ENGINE" = docker ] || grep -qE '\$[{]?SERVICE_IMAGE|@sha256:' "$DEFINITION"; then return; fi
	note "warning: $DEFINITION is published with a tag instead of a digest: write \"image\": \"\$SERVICE_IMAGE\" there"
}

# relative_paths: a path with a leading dash would be an option, and hzn takes - for
# its standard input.
relative_paths() {
	for name in CONTEXT DEFINITION SERVICE_POLICY PATTERN POLICY CA_FILE CA_DIR TMPDIR; do
		eval "case \${$name-} in -*) $name=./\$$name ;; esac"
	done
}

main() {
	CONTEXT=${CONTEXT:-.} DEFINITION=${DEFINITION:-horizon/service.definition.json} CA_FILE=${CA_FILE-} CA_DIR=${CA_DIR-}
	SERVICE_POLICY=${SERVICE_POLICY-} PATTERN=${PATTERN-} POLICY=${POLICY-} LOGIN_WAIT=${LOGIN_WAIT:-900}
	case ${1-} in -h | --help) usage && exit ;; esac
	take_credentials
	relative_paths
	check "$@"
	prepare_mask
	warn_of_tag
	warn_of_login
	scratch=$(mktemp -d) logins=$scratch/auth.json
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trust_registry
	step "login to $OCP_DOCKER_HOST" log_in
	[ "$ENGINE" = docker ] || step "login to $OCP_DOCKER_HOST for the push" log_in_for_push
	SERVICE_VERSION=$VERSION DOCKER_IMAGE_BASE=$IMAGE_PREFIX/$BASE
	export SERVICE_VERSION DOCKER_IMAGE_BASE
	finished='' services='' images=''
	for ARCH in $ARCH; do deliver "$@"; done
	if [ -n "$PATTERN$POLICY" ]; then deploy; fi
	if [ -z "$registry_auth" ]; then return; fi
	for image in $images; do
		ARCH=${image%%=*} SERVICE_IMAGE=${image#*=}
		step "pull of $SERVICE_IMAGE with the pull login" pull
	done
}

# All runs from the last line, whose braces close it: half a download does nothing.
{ main "$@"; }
