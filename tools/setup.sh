#!/bin/sh
# Installs everything that building and running Drover needs: Debian packages and npm packages. Idempotent, asks nothing,
# takes a fraction of a second when there is nothing to do. Needs root or sudo only when a Debian package is missing.
#
#   tools/setup.sh               what build, test and demo need
#   tools/setup.sh development   also what lint, format and fresh need
set -eu
cd "$(dirname "$0")/.."

wanted_packages() {
  sed -e 's/#.*//' tools/debian-packages.txt
  [ "${1:-}" != development ] || sed -e 's/#.*//' tools/debian-packages-development.txt
}

# A Node that did not come as Debian's packages will do if it is new enough and has npm.
has_other_node() {
  command -v npm >/dev/null && node -e 'process.exit(+process.versions.node.split(".")[0] >= 18 ? 0 : 1)' 2>/dev/null
}

missing_packages() {
  for package in $(wanted_packages "$@"); do
    case $package in nodejs|npm) if has_other_node; then continue; fi ;; esac
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else echo "setup: installing packages needs root or sudo" >&2; exit 1
  fi
}

install_packages() {
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || { echo "setup: Debian 12 is needed; these are missing: $missing" >&2; exit 1; }
  echo "setup: installing $missing"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
}

# npm's own record of what it installed cannot be compared with the lock file, so a copy of the lock is kept beside it.
install_npm_packages() {
  directory=$1
  [ -f "$directory/package-lock.json" ] || return 0
  ! cmp -s "$directory/package-lock.json" "$directory/node_modules/.installed-lock.json" || return 0
  echo "setup: npm ci in $directory"
  npm ci --prefix "$directory" --no-audit --no-fund --loglevel=error
  cp "$directory/package-lock.json" "$directory/node_modules/.installed-lock.json"
}

install_packages "$@"
for lock in tools/*/package-lock.json tests/*/package-lock.json ui/package-lock.json; do
  install_npm_packages "$(dirname "$lock")"
done
