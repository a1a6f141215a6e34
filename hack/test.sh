#!/usr/bin/env bash
# Runs all tests but those of test/faults, which `make faults` runs; arguments go to go test. The suite of controllers/
# takes longest and mostly waits, for tokens to die or clocks to be looked at, so its tests are dealt to PARTS processes,
# each with a control plane of its own. With -run in the arguments there is nothing to deal.
set -euo pipefail
cd "$(dirname "$0")/.."

# `make lint` vets.
flags=(-timeout 60m -vet=off "$@")
mapfile -t packages < <(go list ./... | grep -v '/test/faults$')
case " $* " in *' -run'*) exec go test "${flags[@]}" "${packages[@]}" ;; esac

parts=${PARTS:-3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

mapfile -t tests < <(grep -hoE '^func (Test|Fuzz)[A-Za-z0-9_]+' controllers/*_test.go | sed 's/^func //' | grep -vx TestMain)
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | grep -v '/controllers$')
# Compiled once, before three need it at the same time.
go test -c -vet=off -ldflags='-s -w' -o /dev/null ./controllers

running=()
for ((part = 0; part < parts; part++)); do
  pattern=''
  for ((i = part; i < ${#tests[@]}; i += parts)); do pattern+="|${tests[i]}"; done
  go test "${flags[@]}" -run "^(${pattern#|})\$" ./controllers >"$scratch/controllers-$part" 2>&1 &
  running+=("$!:controllers-$part")
done

status=0
go test "${flags[@]}" "${packages[@]}" || status=1
# Modules of their own, for what they require. Go would not run them again for a change of files outside of them.
for module in hack/promrules hack/kube128 hack/bundlecheck hack/markdown test/readers test/registries; do
  (cd "$module" && go test -count=1 "${flags[@]}" ./...) || status=1
done
for one in "${running[@]}"; do
  wait "${one%%:*}" || status=1
  cat "$scratch/${one#*:}"
done
exit "$status"
