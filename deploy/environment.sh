# Sourced by deploy/serve.sh, tests/run.sh and benchmarks/run.sh: finds a Python, makes .venv in the clone, and installs
# hash-locked packages and the project into it. Expects $root, the clone's directory. Does nothing twice.

# Every process of the proxy would compile all of it anew: a core that died comes back in half the time without this.
unset PYTHONDONTWRITEBYTECODE

say() {
    printf '%s\n' "$*" >&2
}

# Runs a command as root, or returns 1 where that needs a password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Installs Debian or Ubuntu packages, quietly; on failure says what to run, and returns 1.
apt_install() {
    apt_said=$(mktemp)
    apt_try="env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
    if command -v apt-get >/dev/null 2>&1 && {
        as_root $apt_try "$@" >"$apt_said" 2>&1 </dev/null ||
            { as_root apt-get update -q >"$apt_said" 2>&1 && as_root $apt_try "$@" >"$apt_said" 2>&1 </dev/null; }
    }; then
        rm -f "$apt_said"
        return 0
    fi
    tail -n 5 "$apt_said" >&2
    rm -f "$apt_said"
    say "Run this as root: apt-get update && apt-get install -y --no-install-recommends $*"
    return 1
}

# Debian starts the daemons of what it installs; tests and benchmarks start their own.
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

# Prints the first Python that is new enough; the distribution's own comes first, since apt has its venv package.
find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if "$root/.venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
        return 0
    fi
    if ! python=$(find_python); then
        say "Python 3.11 or newer is missing; installing it."
        apt_install python3 python3-venv || return 1
        python=$(find_python) || apt_install python3.11 python3.11-venv || return 1
        python=$(find_python) || return 1
    fi
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        say "$python has no venv; installing $package."
        apt_install "$package" || return 1
    fi
    "$python" -m venv --clear "$root/.venv"
}

pip_install() {
    (cd -- "$root" && .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps "$@")
}

# prepare LOCK...: everything in place, or the reason on standard error and exit 1.
prepare() {
    if [ -e /etc/debian_version ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
        say "The system's certificate authorities are missing; installing ca-certificates."
        apt_install ca-certificates || exit 1
    fi
    make_venv || { say "regproxy needs Python 3.11 or newer with venv."; exit 1; }
    stamp="$root/.venv/.installed-$(basename -- "$1" .lock)-$(basename -- "$(dirname -- "$1")")"
    state=$(printf '%s\n' "$root"; cd -- "$root" && cksum -- "$@" pyproject.toml)
    if [ "$state" = "$(cat "$stamp" 2>/dev/null)" ]; then
        return 0
    fi
    say "Installing into $root/.venv; this happens once."
    locks=
    for lock in "$@"; do
        locks="$locks -r $lock"
    done
    # Hashes first, then the project itself with the locked build backend: nothing comes that is not in a lock.
    pip_install --require-hashes $locks && pip_install --no-build-isolation -e . || exit 1
    printf '%s\n' "$state" >"$stamp"
}
