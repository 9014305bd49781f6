"""Quotes that a file of variables leaves around the seed's values (`docker run --env-file`, compose 1)."""

import re
from collections.abc import Mapping

_PREFIXES = ("AUTH_REGISTR", "CACHE_", "MANIFEST_CACHE_")
_NAMES = frozenset({"REGISTRIES", "ENABLE_MANIFEST_CACHE", "ALLOW_PUSH", "VERIFY_SSL"})
# The first quote of the same sort that ends the line, or that only a comment follows, closes.
_QUOTED = re.compile(r"""\s*(["'])(.*?)\1\s*(?:\s#.*)?\Z""", re.DOTALL)


def unquoted(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment, the seed's variables without quotes around them and without the comment behind these."""
    return {name: _bare(value) if _is_seeds(name) else value for name, value in environ.items()}


def _is_seeds(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)


def _bare(value: str) -> str:
    quoted = _QUOTED.match(value)
    return quoted[2] if quoted is not None else value
