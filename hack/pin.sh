#!/usr/bin/env bash
# Puts the digest behind the tag of each image that a comment "By tag: IMAGE" names, in that file, for the bases and images
# whose digest could not be looked up where the file was written. It asks the registries, by crane, and refuses an answer that
# is no digest. What is pinned then is yours to renew: run it again with the new tag in the comment and in the line.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"

crane=${CRANE:-go run github.com/google/go-containerregistry/cmd/crane@v0.22.1}
files=$(grep -rlE '^[[:space:]]*# By tag: ' --include='*.yaml' --include='*file' Dockerfile config)
for file in $files; do
  mapfile -t images < <(sed -nE 's/^[[:space:]]*# By tag: ([^ ]+)$/\1/p' "$file" | sort -u)
  for image in "${images[@]}"; do
    digest=$($crane digest "$image")
    if [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
      echo "pin: the registry told no digest of $image" >&2
      exit 1
    fi
    quoted=$(printf '%s' "$image" | sed 's/[.]/\\./g')
    # Comments keep the tag. A digest of before is replaced.
    sed -i -E "/^[[:space:]]*#/!s|$quoted(@sha256:[0-9a-f]{64})?([\"[:space:]]\|\$)|$image@$digest\2|" "$file"
    echo "$file: $image@$digest"
  done
done
