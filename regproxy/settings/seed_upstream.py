"""The seed's variables about its way to registries and tunnels: time-outs, and whether to believe who answers."""

from collections.abc import Iterator, Mapping

from regproxy.model.egress import MAX_TIMEOUT, Timeouts
from regproxy.policy.words import duration
from regproxy.settings.nginx import nginx_time

UPSTREAM_VARIABLES = (
    "VERIFY_SSL",
    "PROXY_CONNECT_TIMEOUT",
    "PROXY_READ_TIMEOUT",
    "PROXY_CONNECT_CONNECT_TIMEOUT",
    "PROXY_CONNECT_READ_TIMEOUT",
)
_OFF = frozenset({"false", "0", "no", "off"})


def seed_timeouts(environ: Mapping[str, str]) -> Timeouts:
    """The bounds on waiting that are set; raises ValueError naming the variable at fault."""
    read = _seconds(environ, "PROXY_READ_TIMEOUT")
    return Timeouts(_seconds(environ, "PROXY_CONNECT_TIMEOUT"), read, read)


def seed_tunnel_times(environ: Mapping[str, str]) -> tuple[float | None, float | None]:
    """How long a tunnel waits for its other end, and lives without a byte; None where not set; raises ValueError."""
    return _seconds(environ, "PROXY_CONNECT_CONNECT_TIMEOUT"), _seconds(environ, "PROXY_CONNECT_READ_TIMEOUT")


def tunnel_text(environ: Mapping[str, str]) -> str:
    """The same, as it stands in the `tunnel` block of a policy."""
    settings = zip(("connect-timeout", "idle-timeout"), seed_tunnel_times(environ), strict=True)
    return "".join(f"{key} {duration(seconds)}; " for key, seconds in settings if seconds is not None)


def verifies(environ: Mapping[str, str]) -> bool:
    """Whether registries are verified; for the seed every value but "true" switched that off, for us what says so."""
    return environ.get("VERIFY_SSL", "").strip().lower() not in _OFF


def upstream_text(environ: Mapping[str, str]) -> str:
    """All of it, as it stands in each registry block of a policy."""
    times = seed_timeouts(environ)
    settings = (
        ("connect-timeout", times.connect),
        ("first-byte-timeout", times.first_byte),
        ("idle-timeout", times.idle),
    )
    said = "".join(f"{key} {duration(seconds)}; " for key, seconds in settings if seconds is not None)
    upstream = f"upstream {{ {said}}}\n" if said else ""
    return upstream if verifies(environ) else f"{upstream}tls {{ verify off; }}\n"


def upstream_warnings(environ: Mapping[str, str]) -> Iterator[str]:
    """What is surprising about them."""
    said = environ.get("VERIFY_SSL", "").strip()
    if not verifies(environ):
        yield f"VERIFY_SSL is {said}: registries are not verified, and whoever is on the way can answer as one of them"
    elif said.lower() not in ("", "true"):
        yield f'VERIFY_SSL is "{said[:20]}": only "false" switches it off; registries are verified'
    for name in UPSTREAM_VARIABLES[1:]:
        seconds = _seconds(environ, name)
        if seconds is not None and seconds != nginx_time(environ[name]):
            yield f"{name} is {environ[name].strip()[:20]}: {duration(seconds)} is the nearest that there is"


def _seconds(environ: Mapping[str, str], name: str) -> float | None:
    """The time that a variable sets, brought within what a time-out may be."""
    value = environ.get(name, "").strip()
    if not value:
        return None
    try:
        return min(max(nginx_time(value), 1), MAX_TIMEOUT)
    except ValueError as wrong:
        raise ValueError(f"{name}: {wrong}") from wrong
