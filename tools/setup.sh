#!/bin/sh
# Installs everything that building and running Drover needs: Debian packages and npm packages. Idempotent, asks nothing,
# takes a fraction of a second when there is nothing to do. Needs root or sudo only when a Debian package is missing.
#
#   tools/setup.sh               what build, test and demo need
#   tools/setup.sh development   also what lint, format and fresh need
#   tools/setup.sh pymongo       also what an environment for pymongo's own tests is made with
#   tools/setup.sh conformance   also test-libmongoc, built from Debian's source package of mongo-c-driver under build/
set -eu
cd "$(dirname "$0")/.."

wanted_packages() {
  sed -e 's/#.*//' tools/debian-packages.txt
  [ "${1:-}" != development ] || sed -e 's/#.*//' tools/debian-packages-development.txt
  [ "${1:-}" != pymongo ] || echo python3-venv
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

# The machine's own package archives, for source packages. Known only once its lists have been read.
source_lists() {
  # shellcheck disable=SC2016
  apt-get indextargets --format 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) main' \
    'Created-By: Packages' 'Origin: Debian' | sort -u
}

# The source package comes through lists of our own, so that the machine's package sources stay as they are.
fetch_libmongoc_source() {
  work=$PWD/build/libmongoc
  [ ! -d "$work/source" ] || return 0
  echo "setup: fetching the source package of mongo-c-driver"
  mkdir -p "$work/apt/lists/partial" "$work/download"
  source_lists >"$work/apt/sources.list"
  [ -s "$work/apt/sources.list" ] || { as_root apt-get update -q && source_lists >"$work/apt/sources.list"; }
  apt="apt-get -q -o Dir::Etc::sourcelist=$work/apt/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$work/apt/lists"
  apt="$apt -o Dir::Cache=$work/apt -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=$(id -un)"
  $apt update >"$work/fetch.log" 2>&1 && (cd "$work/download" && $apt source --download-only mongo-c-driver) >>"$work/fetch.log" 2>&1 ||
    { cat "$work/fetch.log" >&2; echo "setup: fetching the source package of mongo-c-driver failed" >&2; exit 1; }
  dpkg-source --extract "$work"/download/mongo-c-driver_*.dsc "$work/source.new" >>"$work/fetch.log" 2>&1
  mv "$work/source.new" "$work/source"
}

# Only the test program, unoptimised; client-side encryption needs an enterprise process beside the server.
build_test_libmongoc() {
  work=$PWD/build/libmongoc
  [ ! -x "$work/build/src/libmongoc/test-libmongoc" ] || return 0
  echo "setup: building test-libmongoc"
  version=$(sed -n 's/^mongo-c-driver (\([0-9.]*\).*/\1/p;q' "$work/source/debian/changelog")
  nice cmake -G Ninja -S "$work/source" -B "$work/build" -DBUILD_VERSION="$version" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS="-O0 -g0 -w" -DENABLE_STATIC=BUILD_ONLY -DENABLE_CLIENT_SIDE_ENCRYPTION=OFF -DENABLE_MONGODB_AWS_AUTH=OFF \
    -DENABLE_SASL=OFF -DENABLE_EXAMPLES=OFF -DENABLE_TESTS=ON -DENABLE_SHM_COUNTERS=OFF -DENABLE_UNINSTALL=OFF -DENABLE_ZSTD=ON \
    -DENABLE_SNAPPY=ON -DENABLE_ZLIB=SYSTEM >"$work/build.log" 2>&1 &&
    nice ninja -C "$work/build" -j2 test-libmongoc >>"$work/build.log" 2>&1 ||
    { tail -40 "$work/build.log" >&2; echo "setup: building test-libmongoc failed; see $work/build.log" >&2; exit 1; }
}

install_packages "$@"
for lock in tools/*/package-lock.json tests/*/package-lock.json ui/package-lock.json; do
  install_npm_packages "$(dirname "$lock")"
done
if [ "${1:-}" = conformance ]; then
  fetch_libmongoc_source
  build_test_libmongoc
fi
