"""Which policy runs: the file that was named, else what the seed's variables mean, else the packaged default."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from regproxy.policy.diagnostic import Diagnostic
from regproxy.policy.load import Loaded, load
from regproxy.policy.source import Source
from regproxy.settings.files import PolicyFiles, Variables
from regproxy.settings.packaged import known_sources, packaged_source
from regproxy.settings.quoting import unquoted
from regproxy.settings.seed import CACHE_VARIABLES, allows_push, cache_limits, seed_policy, triggers
from regproxy.settings.seed_upstream import (
    UPSTREAM_VARIABLES,
    seed_timeouts,
    seed_tunnel_times,
    upstream_warnings,
    verifies,
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The policy that runs, the sentence that says which and why, and warnings about the environment."""

    loaded: Loaded
    sentence: str
    warnings: tuple[str, ...] = ()


def choose_policy(path: Path | None, environ: Mapping[str, str]) -> Chosen:
    """Load the policy that runs.

    Raises ValueError, one sentence, when a variable of the environment is wrong, and OSError when the file cannot be
    read; what is wrong inside the file are findings.
    """
    environ = unquoted(environ)
    if path is not None:
        return chosen_file(path, load_file(path), environ)
    seed = seed_policy(environ)
    if seed is not None:
        loaded = load(Source("environment", seed.text), {}, Variables(seed.passwords))
        return Chosen(loaded, _seed_sentence(seed.variables, seed.manifest_cache), seed.warnings)
    return _default(environ)


def chosen_file(path: Path, loaded: Loaded, environ: Mapping[str, str]) -> Chosen:
    """The choice of a file that was named, once it is loaded."""
    ignored = (*triggers(environ), *_set(environ, (*CACHE_VARIABLES, "ALLOW_PUSH", *UPSTREAM_VARIABLES)))
    warnings = tuple(f"{name} is ignored: the policy file {path} decides" for name in ignored)
    return Chosen(loaded, f"policy: {path}", warnings)


def load_file(path: Path) -> Loaded:
    """Load a policy file; raises OSError when it cannot be read."""
    files = PolicyFiles(path)
    read = files.main()
    if isinstance(read, Diagnostic):
        return Loaded(None, (read,))
    loaded = load(read, known_sources(), files)
    return replace(loaded, folders=frozenset(files.folders), secrets=frozenset(files.secrets))


def _set(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if environ.get(name, "").strip())


def _seed_sentence(variables: tuple[str, ...], manifest_cache: bool) -> str:
    state = (
        "manifest cache on, with the seed's lifetimes; asking whether a tag moved is free here, so consider the default"
        if manifest_cache
        else 'manifest cache off because ENABLE_MANIFEST_CACHE is not "true"'
    )
    return f"policy: seed (from {', '.join(variables)}); {state}"


def _default(environ: Mapping[str, str]) -> Chosen:
    """The packaged policy, as the environment changes it: limits of the cache, the way to registries, and pushes."""
    loaded = load(packaged_source("default"), known_sources())
    size, inactive = cache_limits(environ)
    sentence = "policy: default (packaged); name another with --policy"
    push = allows_push(environ)
    overlay = _set(environ, (*CACHE_VARIABLES, *UPSTREAM_VARIABLES, *(["ALLOW_PUSH"] if push else [])))
    policy = loaded.policy
    if not overlay or policy is None:
        return Chosen(loaded, sentence)
    warnings = tuple(upstream_warnings(environ))
    limits = policy.cache
    limits = replace(
        limits,
        size=limits.size if size is None else size,
        inactive=limits.inactive if inactive is None else float(inactive),
    )
    policy = policy.with_cache(limits).with_upstream(seed_timeouts(environ), verify=verifies(environ))
    policy = policy.with_tunnels(*seed_tunnel_times(environ))
    changed = replace(loaded, policy=policy.with_pushes() if push else policy)
    return Chosen(changed, f"policy: default (packaged), with {' and '.join(overlay)} from the environment", warnings)
