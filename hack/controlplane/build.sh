#!/bin/sh
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# usage: hack/controlplane/build.sh FOLDER
#
# Builds the test control plane (etcd, kube-apiserver, kube-controller-manager, kubectl) from the
# modules pinned in this folder's go.mod into FOLDER. A program newer than go.mod and go.sum is kept.
set -eu

[ $# -eq 1 ] || {
	echo "usage: $0 FOLDER" >&2
	exit 2
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

programs="
go.etcd.io/etcd/server/v3
k8s.io/kubernetes/cmd/kube-apiserver
k8s.io/kubernetes/cmd/kube-controller-manager
k8s.io/kubernetes/cmd/kubectl
"

version=
number=0
for package in $programs; do
	number=$((number + 1))
	case $package in
	go.etcd.io/etcd/*) name=etcd ;;
	*) name=${package##*/} ;;
	esac
	if [ -n "$(find "$out/$name" -newer go.mod -newer go.sum 2>/dev/null)" ]; then
		echo "[$number/4] $name is up to date"
		continue
	fi

	# Kubernetes learns its version from the linker; clients and API discovery show it.
	if [ -z "$version" ]; then
		version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
		major=${version#v}
		major=${major%%.*}
		minor=${version#*.}
		minor=${minor%%.*}
	fi
	stamp=k8s.io/component-base/version
	ldflags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor"

	echo "[$number/4] $name: building (minutes when the build cache is empty)"
	started=$(date +%s)
	# Under another name first: an interrupted build must not look finished.
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$out/.$name.new" "$package"
	mv "$out/.$name.new" "$out/$name"
	echo "[$number/4] $name: built in $(($(date +%s) - started)) s"
done
