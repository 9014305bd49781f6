"""Where the CA and the cache lie when nobody says: the seed's volumes where they are mounted, else the user's own."""

import os
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path("/")


def default_ca_directory(environ: Mapping[str, str], root: Path = _ROOT) -> Path:
    """`/ca` where it is a directory that holds a CA or can take one, else below `$XDG_STATE_HOME`.

    `root` stands for `/`.
    """
    volume = root / "ca"
    if volume.is_dir() and (os.path.lexists(volume / "ca.crt") or os.access(volume, os.W_OK)):
        return volume
    return _own(environ, "XDG_STATE_HOME", ".local/state") / "ca"


def default_cache_directory(environ: Mapping[str, str], root: Path = _ROOT) -> Path:
    """`/docker_mirror_cache` where it is a directory, else below `$XDG_CACHE_HOME`; `root` stands for `/`."""
    volume = root / "docker_mirror_cache"
    return volume if volume.is_dir() else _own(environ, "XDG_CACHE_HOME", ".cache")


def _own(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    """The user's directory; a relative value is to be ignored (XDG base directory specification)."""
    given = Path(environ.get(variable, ""))
    if given.is_absolute():
        return given / "regproxy"
    return Path(environ.get("HOME") or Path.home()) / below_home / "regproxy"
