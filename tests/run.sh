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
need_file() { # FILE PACKAGE
    if ! [ -e "$1" ]; then
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
need certtool gnutls-bin
need git git
need nginx nginx
need prometheus prometheus
need promtool prometheus
need jsonnet jsonnet
need_file /usr/lib/nginx/modules/ngx_stream_module.so libnginx-mod-stream
need shellcheck shellcheck
need groff groff-base
need curl curl
need_file /lib/systemd/systemd systemd
need chromium chromium
need cc gcc
need_file /usr/include/stdio.h libc6-dev
need_file /usr/include/openssl/ssl.h libssl-dev
missing=$(printf '%s\n' $missing | sort -u | tr '\n' ' ')

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

prepare tests/requirements.lock deploy/build.lock tests/helm.lock
cd -- "$root"
# Two processes: tests/conftest.py says what runs beside what. `-n 0` makes it one, as --pdb and -s want it.
exec .venv/bin/python -m pytest -n 2 "$@"
