#!/bin/sh
# Proves that a fresh clone on a fresh Debian 12 needs nothing else: builds a minimal bookworm root with debootstrap, puts a
# clean clone of HEAD in it, and runs `make test` and `make demo` there, as they would run on a new machine. Needs root.
# The host's own settings for reaching package archives (resolver, proxies, certificates, npm) are carried in; nothing else.
#
#   tools/fresh.sh [verb ...]      make verbs to run inside; default: test demo
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "fresh: needs root (debootstrap and chroot)" >&2; exit 1; }
command -v debootstrap >/dev/null || tools/setup.sh development

cache=$PWD/.cache
base=$cache/bookworm.tar
work=$(mktemp -d "${TMPDIR:-/tmp}/drover-fresh.XXXXXX")
root=$work/root
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

make_base() {
  [ ! -f "$base" ] || return 0
  mkdir -p "$cache"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | head -n 1)
  debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$work/base" ${mirror:+"$mirror"}
  tar -C "$work/base" -cf "$base.part" .
  mv "$base.part" "$base"
  rm -rf "$work/base"
}

carry_network_settings() {
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  apt-config dump | grep -iE '^Acquire::(https?|ftp)::?.*proxy' >"$root/etc/apt/apt.conf.d/90host-proxy" || true
  for file in /etc/npmrc "$HOME/.npmrc"; do
    if [ -f "$file" ]; then cp "$file" "$root$([ "$file" = /etc/npmrc ] && echo /etc/npmrc || echo /root/.npmrc)"; fi
  done
  if ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1; then
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null
  fi
}

# Mounts and processes live in namespaces of their own, so that nothing is left behind however this ends.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child sh -c '
    mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && shift_root=$1 && shift
    exec chroot "$shift_root" env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
      ${no_proxy:+no_proxy="$no_proxy"} "$@"' fresh "$root" "$@"
}

make_base
mkdir "$root"
tar -C "$root" -xf "$base"
carry_network_settings
[ -z "$(git status --porcelain)" ] || echo "fresh: uncommitted changes are not part of the clone" >&2
git clone --quiet --no-local --no-hardlinks . "$root/drover"

for verb in "${@:-test demo}"; do
  for each in $verb; do
    echo "fresh: make $each"
    start=$(date +%s)
    inside make -C /drover "$each"
    echo "fresh: make $each took $(( $(date +%s) - start )) s"
  done
done
echo "fresh: everything passed on a new machine"
