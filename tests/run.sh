#!/bin/sh
# Runs the tests from a clone, on a machine where nothing is prepared: sh tests/run.sh [arguments of pytest]
# The real clients and servers that the end-to-end tests drive come from apt. Where they cannot be installed, their
# tests are skipped and say what to install; with CI=true they fail.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/deploy/environment.sh"

missing=
need() { # COMMAND PACKAGE
    if ! PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; then
        missing="$missing $2"
    fi
}
need docker-registry docker-registry
need skopeo skopeo
need podman podman
need dockerd docker.io
need docker docker.io
need containerd containerd
need ctr containerd
need zstd zstd
need openssl openssl
need git git
need nginx nginx
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')

# Debian starts the daemons of what it installs; the tests start their own.
hold_daemons() {
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        trap release_daemons EXIT
        trap 'exit 1' INT TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
        as_root chmod 755 /usr/sbin/policy-rc.d
        held=yes
    fi
}
release_daemons() {
    if [ "${held:-no}" = yes ]; then
        as_root rm -f /usr/sbin/policy-rc.d
        held=no
    fi
}

if [ -n "${missing# }" ]; then
    say "Installing with apt:" $missing
    if as_root true; then
        hold_daemons
    fi
    apt_install $missing || say "Going on without them."
    # From Debian 13 on the client is a package of its own.
    command -v docker >/dev/null 2>&1 || apt_install docker-cli 2>/dev/null || true
    release_daemons
fi

prepare tests/requirements.lock deploy/build.lock
cd -- "$root"
exec .venv/bin/python -m pytest "$@"
