"""Where the CA and the cache lie when nobody says: the seed's volumes where they are mounted, else the user's own."""

import os
from collections.abc import Mapping
from pathlib import Path

_ROOT = Path("/")
_SEED_CA_FILES = {"CA_CRT_FILE": "ca.crt", "CA_KEY_FILE": "ca.key"}


def default_ca_directory(environ: Mapping[str, str], root: Path = _ROOT) -> Path:
    """Where the seed's variables say; else `/ca` where it holds a CA or can take one; else below `$XDG_STATE_HOME`.

    `root` stands for `/`. Raises ValueError when the seed's variables name no `ca.crt` and `ca.key` in one directory.
    """
    volume = root / "ca"
    seed = _seed_ca_directory(environ, volume)
    if seed is not None:
        return seed
    held = any(os.path.lexists(volume / name) for name in ("ca.crt", "tls.crt"))
    if volume.is_dir() and (held or os.access(volume, os.W_OK)):
        return volume
    return _own(environ, "XDG_STATE_HOME", ".local/state") / "ca"


def _seed_ca_directory(environ: Mapping[str, str], volume: Path) -> Path | None:
    """The directory of CA_CRT_FILE and CA_KEY_FILE; one that is not set is in `volume`, as in the seed."""
    given = {name: environ.get(name, "").strip() for name in _SEED_CA_FILES}
    if not any(given.values()):
        return None
    paths = {name: Path(given[name] or volume / file) for name, file in _SEED_CA_FILES.items()}
    directory = next(iter(paths.values())).parent
    for name, path in paths.items():
        if path != directory / _SEED_CA_FILES[name] or not path.is_absolute():
            wanted = " and ".join(_SEED_CA_FILES.values())
            raise ValueError(f"{name} is {path}, but a CA is {wanted} in one directory; name that with --ca-dir")
    return directory


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
