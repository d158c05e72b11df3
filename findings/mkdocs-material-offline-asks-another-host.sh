#!/usr/bin/env bash
# mkdocs-material 9.8.2: the plugin named `offline` adds an address of another host to every page.
# Guess: with the plugin, a built site asks no other host for anything.
# Seen: each page gets a script from unpkg.com, to make search work from a folder; without the plugin, and with
#   `font: false`, no page asks anybody.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mkdocs-material==9.8.2
cd "$folder"
mkdir docs
echo "# A page" >docs/index.md
for plugins in "[search]" "[search, offline]"; do
  printf '%s\n' "site_name: A site" "theme: {name: material, font: false}" "plugins: $plugins" >mkdocs.yml
  NO_MKDOCS_2_WARNING=1 venv/bin/mkdocs build --quiet 2>>log
  found=$(grep -o '<script[^>]*src="https://[^"]*"\|<link[^>]*rel="stylesheet"[^>]*https://[^"]*"' site/index.html || true)
  echo "plugins $plugins: ${found:-nothing from another host}"
  case "$plugins" in
    *offline*) [[ "$found" == *unpkg.com* ]] ;;
    *) [ -z "$found" ] ;;
  esac
done
