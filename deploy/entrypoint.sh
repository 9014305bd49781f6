#!/bin/sh
# The image starts like those of postgres and redis: as root it hands its two directories to an unprivileged user and
# drops every privilege. With --user it only says which directory it cannot write.
set -eu

uid=10001
cache=${REGPROXY_CACHE_DIR:-/docker_mirror_cache}
ca=${REGPROXY_CA_DIR:-/ca}

say() {
    printf 'regproxy: %s\n' "$*" >&2
}

# Docker makes a bind mount's directory as root; what belongs to somebody else is left alone.
hand_over() {
    if [ -e "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u -- "$1")" -eq 0 ]; then
        chown "$uid:$uid" -- "$1" || say "$1 belongs to root and cannot be handed to uid $uid"
    fi
}

# Asked by the image's HEALTHCHECK: whether the proxy says that it is ready.
if [ "${1:-}" = healthcheck ]; then
    exec python3 - "${REGPROXY_METRICS:-127.0.0.1:9128}" <<'PYTHON'
import sys, urllib.request
try:
    urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1].rpartition(':')[2]}/readyz", timeout=4)
except OSError as error:
    sys.exit(f"not ready: {error}")
PYTHON
fi

if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then
    set -- serve "$@"
fi

# What the seed took from the environment may lie in a file, as Docker and Kubernetes hand secrets over.
from_file() {
    eval "file=\${$1_FILE:-} value=\${$1:-}"
    if [ -z "$file" ]; then
        return 0
    elif [ -n "$value" ]; then
        say "both $1 and $1_FILE are set; set one of them"
        exit 2
    elif ! value=$(cat -- "$file"); then
        say "$1_FILE names $file, which cannot be read"
        exit 1
    fi
    export "$1=$value"
    unset "$1_FILE"
}
from_file REGISTRIES
from_file AUTH_REGISTRIES

if [ "$(id -u)" -eq 0 ]; then
    hand_over "$cache"
    hand_over "$ca"
    # The CA's files too, but not below a stranger's directory; the cache may hold a million files and is ours or new.
    if [ "$(stat -c %u -- "$ca" 2>/dev/null)" = "$uid" ]; then
        hand_over "$ca/ca.crt"
        hand_over "$ca/ca.key"
    fi
    drop="setpriv --reuid=$uid --regid=$uid --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs"
    if ! $drop true 2>/dev/null; then
        say "root's privileges cannot be dropped here; start the container with --user $uid:$uid"
        exit 1
    fi
    exec $drop "$0" "$@"
fi

if [ ! -w "$cache" ]; then
    say "uid $(id -u) cannot write $cache"
fi
if [ ! -w "${TMPDIR:-/tmp}" ]; then
    say "uid $(id -u) cannot write ${TMPDIR:-/tmp}; mount a tmpfs there"
fi
if [ ! -w "$ca" ] && [ ! -e "$ca/ca.crt" ]; then
    say "uid $(id -u) cannot write $ca, and it holds no CA"
fi
exec regproxy "$@"
