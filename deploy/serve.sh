#!/bin/sh
# Runs the proxy from a clone, on a machine where nothing is prepared: sh deploy/serve.sh [flags of `regproxy serve`]
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$root/deploy/environment.sh"
prepare deploy/requirements.lock deploy/build.lock
exec "$root/.venv/bin/regproxy" serve "$@"
