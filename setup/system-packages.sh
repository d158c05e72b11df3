#!/usr/bin/env bash
# Install the system packages of system-packages.txt that are missing: as root on a Debian-like system, silently when
# nothing is missing. Without that right, say what is missing and what will be refused or skipped.
#   setup/system-packages.sh [--required-only]
set -euo pipefail
list=$(dirname "$0")/system-packages.txt
missing=()
while IFS='|' read -r package check without; do
    package=$(xargs <<<"$package")
    [[ -z $package || $package == \#* ]] && continue
    [[ ${1:-} == --required-only && $without != *required* ]] && continue
    bash -c "$check" >/dev/null 2>&1 && continue
    missing+=("$package")
    reasons+="  $package:$without"$'\n'
done <"$list"
[[ ${#missing[@]} -eq 0 ]] && exit 0

if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
    echo "setup: installing system packages: ${missing[*]}"
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >"$log" 2>&1 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >>"$log" 2>&1 && rm "$log" && exit 0
    tail -n 5 "$log" >&2 # what apt-get says is of interest only where it fails
    rm "$log"
    echo "setup: apt-get could not install them." >&2
fi
{
    echo "setup: these system packages are missing (ask an administrator: apt-get install ${missing[*]}):"
    printf '%s' "$reasons"
} >&2
[[ $reasons == *required* ]] && exit 1
exit 0
