"""The seed's environment variables, turned into policy text (rpardini/docker-registry-proxy 0.7.0, entrypoint.sh)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from regproxy.policy.format import formatted
from regproxy.policy.words import duration
from regproxy.policy.words import size as size_in_words
from regproxy.settings.nginx import nginx_size, nginx_time
from regproxy.settings.seed_logins import is_placeholder
from regproxy.settings.seed_regex import regex_literal, seed_difference
from regproxy.settings.seed_registries import seed_registries
from regproxy.settings.seed_upstream import tunnel_text, upstream_text, upstream_warnings, verifies

TRIGGERS = ("REGISTRIES", "AUTH_REGISTRIES", "ENABLE_MANIFEST_CACHE")
CACHE_VARIABLES = ("CACHE_MAX_SIZE", "CACHE_INACTIVE")
TRUTHY = frozenset({"true", "1", "yes", "on"})
# (prefix of the variables, tier, the seed's default regex and time)
TIERS = (
    ("MANIFEST_CACHE_PRIMARY", "manifest-primary", "(stable|nightly|production|test)", "10m"),
    ("MANIFEST_CACHE_SECONDARY", "manifest-secondary", r"(.*)(\d|\.)+(.*)(\d|\.)+(.*)(\d|\.)+", "60d"),
)
NO_EFFECT = (
    *("DEBUG DEBUG_HUB DEBUG_NGINX SEND_TIMEOUT CLIENT_BODY_TIMEOUT".split()),
    *("CLIENT_HEADER_TIMEOUT KEEPALIVE_TIMEOUT PROXY_SEND_TIMEOUT PROXY_CONNECT_SEND_TIMEOUT".split()),
)
_HEAD = """\
# The policy that the environment means, in the words of the seed.
policy 1;

cache {{ size {size}; inactive {inactive}; }}

{registries}
tunnel {{
    allow "**";
    ports any;
    allow-address "10.0.0.0/8" "100.64.0.0/10" "172.16.0.0/12" "192.168.0.0/16" "fc00::/7";
    {times}
}}

tier blob-by-digest     {{ match kind is blob and digest like "sha256:*"; fresh 60d; }}
tier manifest-by-digest {{ match kind is manifest and digest like "sha256:*"; fresh 60d; }}
{tiers}
tier unknown {{ match any; pass; }}
"""
_TIER = """
tier {name} {{
    match {condition};
    fresh {fresh};
    stale if-error forever on [error, 429, 500, 502, 504];
}}
"""


@dataclass(frozen=True, slots=True)
class SeedPolicy:
    """The policy that the seed's variables mean, which of them were set, and what to warn of.

    `passwords` are the variables that the policy names, and what is in them: the environment itself has no such.
    """

    text: str
    variables: tuple[str, ...]
    manifest_cache: bool
    warnings: tuple[str, ...]
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)


def triggers(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that are set and start seed mode; a blank value counts as not set."""
    return tuple(
        name
        for name in (*TRIGGERS, *sorted(name for name in environ if name.startswith("MANIFEST_CACHE_")))
        if environ.get(name, "").strip() and not (name == "AUTH_REGISTRIES" and is_placeholder(environ))
    )


def seed_policy(environ: Mapping[str, str]) -> SeedPolicy | None:
    """The policy of seed mode, or None when no variable starts it; raises ValueError naming the variable at fault."""
    variables = triggers(environ)
    if not variables:
        return None
    manifest_cache = environ.get("ENABLE_MANIFEST_CACHE", "") == "true"
    size, inactive = cache_limits(environ)
    settings = ("push allow;\n" if allows_push(environ) else "") + upstream_text(environ)
    registries = seed_registries(environ, settings)
    if registries.logins and not verifies(environ):
        raise ValueError(
            "VERIFY_SSL is off, and AUTH_REGISTRIES has credentials, which go to verified registries alone; leave one "
            "out, or name the registry's CA by tls { ca file } in the policy that `regproxy policy from-env` prints"
        )
    text = _HEAD.format(
        size=size_in_words(32 * 1024**3 if size is None else size),
        inactive=duration(60 * 86400 if inactive is None else inactive),
        registries=registries.text,
        times=tunnel_text(environ),
        tiers="".join(_TIER.format(**tier) for tier in _tiers(environ, manifest_cache)),
    )
    warnings = (*registries.warnings, *_warnings(environ))
    return SeedPolicy(formatted(text), variables, manifest_cache, warnings, registries.passwords)


def allows_push(environ: Mapping[str, str]) -> bool:
    """Whether ALLOW_PUSH switches pushes on: only "true" does, as in the seed."""
    return environ.get("ALLOW_PUSH", "") == "true"


def cache_limits(environ: Mapping[str, str]) -> tuple[int | None, int | None]:
    """CACHE_MAX_SIZE in bytes and CACHE_INACTIVE in seconds; None where not set; raises ValueError by name."""
    size = _read(environ, "CACHE_MAX_SIZE", nginx_size)
    if size == 0:
        raise ValueError("CACHE_MAX_SIZE: the size must be above zero")
    return size, _read(environ, "CACHE_INACTIVE", nginx_time)


def _read(environ: Mapping[str, str], name: str, read: Callable[[str], int]) -> int | None:
    value = environ.get(name, "").strip()
    if not value:
        return None
    try:
        return read(value)
    except ValueError as wrong:
        raise ValueError(f"{name}: {wrong}") from wrong


def _tiers(environ: Mapping[str, str], manifest_cache: bool) -> Iterator[Mapping[str, str]]:
    """Name, condition and lifetime of each tier for what may change."""
    if manifest_cache:
        for prefix, tier, regex, time in TIERS:
            given = environ.get(f"{prefix}_REGEX", regex)
            if given:
                condition = f"kind is manifest and ref matches {regex_literal(f'{prefix}_REGEX', given)}"
                yield {"name": tier, "condition": condition, "fresh": _fresh(environ, f"{prefix}_TIME", time)}
        fresh = _fresh(environ, "MANIFEST_CACHE_DEFAULT_TIME", "1h")
        yield {"name": "manifest-default", "condition": "kind is manifest", "fresh": fresh}
    else:
        yield {"name": "manifest-default-disabled", "condition": "kind is manifest", "fresh": "0s"}
    yield {"name": "blob-mutable", "condition": "kind is blob", "fresh": "0s"}


def _fresh(environ: Mapping[str, str], name: str, default: str) -> str:
    seconds = _read(environ, name, nginx_time)
    return default if seconds is None else duration(seconds)


def _warnings(environ: Mapping[str, str]) -> tuple[str, ...]:
    found = [
        f'{name} is "{environ[name][:20]}": only "true" switches it on, as in the seed; it is off'
        for name in ("ENABLE_MANIFEST_CACHE", "ALLOW_PUSH")
        if environ.get(name, "").strip().lower() in TRUTHY and environ[name] != "true"
    ]
    if environ.get("ENABLE_MANIFEST_CACHE") != "true":
        found += [
            f'{name} has no effect: ENABLE_MANIFEST_CACHE is not "true"'
            for name in sorted(environ)
            if name.startswith("MANIFEST_CACHE_") and environ[name].strip()
        ]
    else:
        regexes = {f"{prefix}_REGEX": environ.get(f"{prefix}_REGEX", "") for prefix, *_ in TIERS}
        found += [f"{name} {difference}" for name, regex in regexes.items() if (difference := seed_difference(regex))]
    found += upstream_warnings(environ)
    found += [
        f"{name} has no effect in this version"
        for name in NO_EFFECT
        if environ.get(name, "").strip() not in ("", "false")
    ]
    return tuple(found)
