
UNITS=

administrator() {
    command -v systemctl >/dev/null 2>&1 || fail "this machine has no systemd; set these for the daemon yourself:
HTTPS_PROXY=$PROXY NO_PROXY=$NO_PROXY_LIST SSL_CERT_DIR=/etc/ssl/certs:$CA_DIRECTORY (with $PROXY/ca.crt in it)"
    [ "$(id -u)" -eq 0 ] || [ "$DRY_RUN" = yes ] || fail "run this as root"
}

exists() {
    systemctl cat "$1" >/dev/null 2>&1
}

# What other drop-ins of a unit say of NO_PROXY, so that ours does not undo it.
other_no_proxy() {
    systemctl cat "$1" 2>/dev/null | awk -v ours="# $2" '
        /^# \// { mine = $0 == ours }
        !mine && /^Environment=/ && match($0, /NO_PROXY=[^" ]*/) { print substr($0, RSTART + 9, RLENGTH - 9) }' | paste -s -d , -
}

# drop_in UNIT PREFIX: the daemon's environment; PREFIX is for daemons that hand it on to another.
drop_in() {
    file=/etc/systemd/system/$1.d/regproxy.conf
    before=$CHANGED
    CHANGED=no
    text="# Made by regproxy's setup script, which takes it back with --uninstall.
[Service]
Environment=\"$2HTTPS_PROXY=$PROXY\"
Environment=\"$2NO_PROXY=$(once "$NO_PROXY_LIST,$(other_no_proxy "$1" "$file")")\""
    if [ "$TRUST" = process ]; then
        text="$text
Environment=\"$2SSL_CERT_DIR=/etc/ssl/certs:$CA_DIRECTORY\""
    fi
    put "$file" "$text"
    if [ "$CHANGED" = yes ] || [ "$before" = yes ] || stale "$1" "$2HTTPS_PROXY=$PROXY"; then
        UNITS="$UNITS $1"
    fi
    if [ "$before" = yes ]; then CHANGED=yes; fi
    PREFIXED="$2HTTPS_PROXY=$PROXY"
}

# Whether a daemon runs with another environment than the drop-in gives it.
stale() {
    pid=$(systemctl show --property MainPID --value "$1")
    [ "${pid:-0}" -gt 0 ] || return 1
    if tr '\0' '\n' <"/proc/$pid/environ" | grep -qxF "$2"; then [ "$UNINSTALL" = yes ]; else [ "$UNINSTALL" = no ]; fi
}

# The CA, for one process by its SSL_CERT_DIR, or for all by the system's own store.
trust() {
    put "$CA_DIRECTORY/regproxy.crt" "$(certificate)"
    for anchors in /etc/pki/ca-trust/source/anchors /etc/pki/trust/anchors /etc/ca-certificates/trust-source/anchors \
        /usr/local/share/ca-certificates; do
        if [ -d "$anchors" ]; then break; fi
    done
    before=$CHANGED
    CHANGED=no
    if [ "$TRUST" = system ] && [ "$UNINSTALL" = no ]; then
        write "$anchors/regproxy.crt" "$(certificate)"
    else
        erase "$anchors/regproxy.crt"
    fi
    if [ "$CHANGED" = yes ]; then
        if command -v update-ca-trust >/dev/null 2>&1; then
            act update-ca-trust extract
        else
            act update-ca-certificates --fresh
        fi
    elif [ "$before" = yes ]; then
        CHANGED=yes
    fi
}

# Restarts what runs with something else than it should, and looks that it now has what it should.
settle() {
    [ -n "$UNITS" ] || { say "nothing to change"; return 0; }
    act systemctl daemon-reload
    for unit in $UNITS; do
        if ! systemctl is-active --quiet "$unit"; then
            continue
        elif [ "$RESTART" = no ]; then
            say "restart it yourself: systemctl restart $unit"
            continue
        fi
        say "restarting $unit"
        act systemctl restart "$unit" || fail "$unit does not start: journalctl -u $unit"
        if [ "$DRY_RUN" = no ] && stale "$unit" "$PREFIXED"; then
            fail "$unit did not take the proxy: another of its files sets HTTPS_PROXY too; see systemctl cat $unit"
        fi
    done
}

# for_units PREFIX UNIT...: those that exist; fails where none does.
for_units() {
    prefix=$1
    found=
    shift
    for unit in "$@"; do
        if exists "$unit"; then
            found="$found $unit"
            drop_in "$unit" "$prefix"
        fi
    done
    [ -n "$found" ] || fail "there is no $* on this machine"
}
