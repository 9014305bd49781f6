"""The texts of the last policy that ran, on disk: what `--resume` starts with when the policy file does not load.

`DIRECTORY/CHECKSUM/…` holds the policy and what it includes as they lay to one another, never a secret; the link
`DIRECTORY/current` names the main file of the last one. A version has its name only when it is whole.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from regproxy.policy.load import Loaded

NAME = "last-good"
_CURRENT = "current"
_NAMED = 16  # hexadecimal digits of the checksum


def keep(directory: Path, loaded: Loaded) -> None:
    """Write down the texts of a policy that runs; raises OSError, and then an earlier version stays the last good."""
    if loaded.policy is None or not loaded.sources:
        return
    version = directory / loaded.policy.checksum[:_NAMED]
    main = Path(loaded.sources[0].name)
    texts = {_below(main.parent, source.name): source.text.encode("utf-8") for source in loaded.sources}
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The checksum is of texts alone: they may have run under other names, and somebody may have changed what was kept.
    if _held(version) != texts:
        draft = version.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        for place, text in texts.items():
            _write(draft / place, text)
        shutil.rmtree(version, ignore_errors=True)
        draft.rename(version)
    link = directory / f"{_CURRENT}.new"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(version.name) / main.name)
    link.replace(directory / _CURRENT)
    _sync(directory)
    for old in directory.iterdir():
        if old.is_dir() and not old.is_symlink() and old != version:
            shutil.rmtree(old, ignore_errors=True)


def last_good(directory: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """Load what was kept; raises OSError when there is none, and ValueError when it is not what once ran."""
    try:
        main = directory / (directory / _CURRENT).readlink()
    except OSError as error:
        raise FileNotFoundError(f"no policy has run with {directory} yet, so there is none to resume") from error
    loaded = load(main)
    if loaded.policy is not None and loaded.policy.checksum[:_NAMED] != main.parent.name:
        raise ValueError(f"{main} is not what once ran: it or a file beside it was changed")
    return loaded


def _below(folder: Path, name: str) -> Path:
    """A file's place relative to the policy's folder."""
    relative = Path(os.path.relpath(name, folder))
    if ".." in relative.parts:
        raise OSError(f"{name} lies outside {folder}, so the policy is not kept for --resume")
    return relative


def _held(version: Path) -> Mapping[Path, bytes]:
    """The files of a version by their places in it; none where it was never written."""
    return {path.relative_to(version): path.read_bytes() for path in version.rglob("*") if path.is_file()}


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
