#!/usr/bin/env bash
# The system packages that the tests need, as Debian calls them. Installs what is missing where it may (as root, with
# apt-get); elsewhere says what to install. Run by `make test`, `make proof` and, through `make check`, by CI.
set -euo pipefail
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin | tr ' ' :) # where Debian keeps initdb

declare -A programs=(
  [chromium]=chromium # end-to-end tests of the simulator page
  [openssl]=openssl # certificates of the tests over TLS: the hot store
  [postgresql]=initdb # the durable store's tests start their own
  [redis-server]=redis-server # the hot store's tests start their own
)

missing=()
for package in "${!programs[@]}"; do
  command -v "${programs[$package]}" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi
echo "The tests need ${missing[*]}: install it with your system's package manager (Debian: sudo apt-get install ${missing[*]}), then run this again." >&2
exit 1
