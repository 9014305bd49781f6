#!/bin/sh
# Measures regproxy beside nginx from a clone: sh benchmarks/run.sh [arguments of python -m benchmarks; --help lists them]
# nginx, its stream module, a C compiler and OpenSSL's headers come from apt where they are missing.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/deploy/environment.sh"

PATH="$PATH:/usr/sbin:/sbin"
if ! command -v nginx >/dev/null 2>&1 || [ ! -e /usr/lib/nginx/modules/ngx_stream_module.so ] ||
    ! command -v cc >/dev/null 2>&1 || [ ! -e /usr/include/openssl/ssl.h ]; then
    say "Installing nginx, gcc and libssl-dev with apt."
    if as_root true; then
        hold_daemons
    fi
    apt_install nginx libnginx-mod-stream gcc libc6-dev libssl-dev || exit 1
    release_daemons
fi

prepare tests/requirements.lock deploy/build.lock
cd -- "$root"
exec .venv/bin/python -m benchmarks "$@"
