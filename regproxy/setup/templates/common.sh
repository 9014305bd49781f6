#!/bin/sh
# @TITLE@ through the caching proxy at @URL@
#
#   sh THIS [--dry-run] [--uninstall] [--trust process|system] [--no-proxy LIST] [--no-restart] [--ca-sha256 HEX]
#
# --dry-run     say what would be done, and do nothing
# --uninstall   take everything back
# --trust       who trusts the proxy's CA: the daemon alone (process), or the whole machine (system)
# --no-proxy    further hosts and networks that are reached without the proxy, separated by commas
# --no-restart  leave running daemons as they are
# --ca-sha256   stop unless this is the fingerprint of the CA below; compare it with `regproxy ca show`
#
# A second run changes nothing. Daemons are restarted only where something changed.

# Not every platform looks at every option.
# shellcheck disable=SC2034
set -eu

# The CA that clients are told to trust: SHA-256 @FINGERPRINT@
PROXY='@URL@'
PROBE='@PROBE@'
CA_DIRECTORY=/etc/regproxy/certs
NO_PROXY_LIST='@NO_PROXY@'
TRUST=process
DRY_RUN=no
UNINSTALL=no
RESTART=yes
CHANGED=no

certificate() {
    cat <<'CERTIFICATE'
@CERTIFICATE@
CERTIFICATE
}

say() {
    printf 'regproxy: %s\n' "$*"
}

fail() {
    printf 'regproxy: FAILED: %s\n' "$*" >&2
    exit 1
}

options() {
    while [ "$#" -gt 0 ]; do
        case $1 in
            --dry-run) DRY_RUN=yes ;;
            --uninstall) UNINSTALL=yes ;;
            --no-restart) RESTART=no ;;
            --trust | --no-proxy | --ca-sha256)
                [ "$#" -gt 1 ] || fail "$1 needs a value"
                option "$1" "$2"
                shift
                ;;
            *) fail "there is no option $1; the head of this script lists them" ;;
        esac
        shift
    done
}

option() {
    case $1 in
        --trust)
            case $2 in process | system) TRUST=$2 ;; *) fail "--trust is process or system, not $2" ;; esac
            ;;
        --no-proxy)
            case $2 in *[!A-Za-z0-9.:/,*_-]*) fail "--no-proxy is hosts and networks separated by commas" ;; esac
            NO_PROXY_LIST=$NO_PROXY_LIST,$2
            ;;
        --ca-sha256) pin "$2" ;;
    esac
}

# The SHA-256 of the first certificate's DER form, as openssl prints fingerprints.
pin() {
    have=$(certificate | sed -n '/BEGIN/,/END/p;/END/q' | sed '/-----/d' | base64 -d | sha256sum | cut -d ' ' -f 1)
    want=$(printf %s "$1" | tr -d : | tr A-F a-f)
    [ "$have" = "$want" ] || fail "the CA in this script is $have, not $want: it does not come from your proxy"
}

# Each word of a list with commas once, in the order of the first.
once() {
    printf '%s\n' "$1" | tr , '\n' | tr ' ' '\n' | awk 'NF && !seen[$0]++' | paste -s -d , -
}

# write FILE TEXT: only where it differs.
write() {
    if [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; then
        return 0
    fi
    CHANGED=yes
    if [ "$DRY_RUN" = yes ]; then
        say "would write $1"
        return 0
    fi
    mkdir -p "$(dirname "$1")"
    printf '%s\n' "$2" >"$1.new"
    chmod 644 "$1.new"
    mv -f "$1.new" "$1"
    say "wrote $1"
}

# erase FILE: with the directories of ours above it that are empty then.
erase() {
    if ! [ -e "$1" ]; then
        return 0
    fi
    CHANGED=yes
    if [ "$DRY_RUN" = yes ]; then
        say "would remove $1"
        return 0
    fi
    rm -f "$1"
    say "removed $1"
    above=$(dirname "$1")
    while case $above in */regproxy | */regproxy/* | *.service.d | *.conf.d) rmdir "$above" 2>/dev/null ;; *) false ;; esac do
        above=$(dirname "$above")
    done
}

# put FILE TEXT: write it, or with --uninstall erase it.
put() {
    if [ "$UNINSTALL" = yes ]; then erase "$1"; else write "$1" "$2"; fi
}

# act COMMAND...: run it, or with --dry-run say so.
act() {
    if [ "$DRY_RUN" = yes ]; then say "would run $*"; else "$@"; fi
}

# Asks for /v2/ through the proxy, trusting nothing but its CA, and says what is wrong where that fails.
self_test() {
    if [ -z "$PROBE" ] || ! command -v curl >/dev/null 2>&1; then
        say "not tested: $([ -z "$PROBE" ] && echo 'the policy names no registry' || echo 'curl is not installed')"
        return 0
    fi
    trusted=$(mktemp)
    certificate >"$trusted"
    code=0
    seen=$(curl -sS -m 20 --proxy "$PROXY" --noproxy '' --cacert "$trusted" -D - -o /dev/null "https://$PROBE/v2/" 2>&1) || code=$?
    rm -f "$trusted"
    last=$(printf '%s\n' "$seen" | tr -d '\r' | sed -n 's/^\(HTTP\/[0-9.]* [0-9].*\)/\1/p' | tail -n 1)
    error=$(printf '%s\n' "$seen" | sed -n 's/^curl: //p' | tail -n 1)
    case $code:$last in
        0:*\ 200* | 0:*\ 401*) say "self-test: https://$PROBE/v2/ through $PROXY answers" ;;
        0:*) fail "self-test: the proxy works, the registry $PROBE does not: $last" ;;
        5:* | 6:* | 7:* | 28:*) fail "self-test: nothing answers at $PROXY ($error): is the name right, the port open, the proxy running?" ;;
        60:* | 35:*)
            case $error in
                *"not yet valid"* | *expired*) fail "self-test: $error: set this machine's clock ($(date))" ;;
                *) fail "self-test: $error: is another proxy in between? fetch this script again from $PROXY" ;;
            esac
            ;;
        *) fail "self-test: ${last:-$error}" ;;
    esac
}

verdict() {
    if [ "$DRY_RUN" = yes ]; then
        say "dry run: nothing was done"
    elif [ "$UNINSTALL" = yes ]; then
        say "OK: nothing of regproxy is left here"
    else
        say "OK: $1; what the proxy sees of this machine: $PROXY/doctor"
    fi
}
