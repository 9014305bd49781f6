"""Opening a cache directory: whose it is, which format it has, and whether files and index still agree."""

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from regproxy.model.oci import Digest, parse_digest
from regproxy.store.files import PARTS, allocated, forget, intact, remove
from regproxy.store.index import NAME as INDEX
from regproxy.store.index import Tables

FORMAT = 1
BLOBS = "blobs"
ALGORITHMS = ("sha256", "sha512")
_LOCK, _VERSION, _CLEAN = "LOCK", "VERSION", "CLEAN"


class Claim:
    """The directory is ours while this is held."""

    def __init__(self, directory: Path, lock: int, *, clean: bool) -> None:
        self.directory = directory
        self.clean = clean
        self._lock = lock

    def release(self, *, clean: bool) -> None:
        """Let the next process in; `clean` tells it that files and index agree."""
        try:
            if clean:
                (self.directory / _CLEAN).touch(mode=0o600)
        finally:
            os.close(self._lock)


def claim(directory: Path) -> Claim:
    """Take the directory, made when missing, and empty its `tmp/`.

    Raises OSError when it cannot be used or another process uses it, ValueError when it is not ours or too new.
    Everything that is not ours is left alone: the seed's cache volume may be this directory.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(directory, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _check_format(directory)
        return Claim(directory, lock, clean=_prepare(directory))
    except BlockingIOError as error:
        os.close(lock)
        sentence = "the cache directory is in use by another regproxy; stop it or give this one its own --cache-dir"
        raise BlockingIOError(error.errno, sentence, str(directory)) from error
    except OSError as error:
        os.close(lock)
        raise _unusable(directory, error) from error
    except ValueError:
        os.close(lock)
        raise


def _unusable(directory: Path, error: OSError) -> OSError:
    return OSError(error.errno or errno.EIO, f"the cache directory cannot be used: {error.strerror}", str(directory))


def _check_format(directory: Path) -> None:
    version = directory / _VERSION
    try:
        text = version.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        _begin(directory, version)
        return
    ways_out = "choose another --cache-dir, or empty this one"
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{version} says {text[:40]!r}, which is no regproxy cache format; {ways_out}")
    if int(text) > FORMAT:
        raise ValueError(
            f"{directory} was written by a newer regproxy (format {text}, this one knows {FORMAT}); "
            f"run that version, {ways_out}"
        )


def _begin(directory: Path, version: Path) -> None:
    for name in (PARTS, BLOBS, INDEX):
        if os.path.lexists(directory / name):
            # We empty tmp/ at every start: never somebody else's.
            raise ValueError(
                f"{directory} holds {name!r} but no VERSION file, so it is not a regproxy cache; "
                "choose an empty --cache-dir"
            )
    draft = directory / f"{_VERSION}.new"
    draft.write_text(f"{FORMAT}\n", encoding="ascii")
    draft.replace(version)


def _prepare(directory: Path) -> bool:
    """Make what is missing, remove unfinished files and the CLEAN marker; whether the last stop was clean."""
    for name in (BLOBS, PARTS):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    for entry in os.scandir(directory / PARTS):
        if not entry.is_dir(follow_symlinks=False):
            Path(entry.path).unlink(missing_ok=True)
    fresh = not os.path.lexists(directory / INDEX)
    marker = directory / _CLEAN
    clean = os.path.lexists(marker)
    marker.unlink(missing_ok=True)
    _sync(directory)
    return clean and not fresh


def _sync(directory: Path) -> None:
    # After a power cut the marker must not be back.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reconcile(tables: Tables, directory: Path, now: float) -> None:
    """After an unclean stop: drop rows without their file, and take up files without a row, unverified.

    What is unverified is never served; `verify` reads it first.
    """
    lost = [
        str(text)
        for text, size in tables.each("SELECT digest, size FROM content")
        if not _kept(directory, str(text), int(size or 0))
    ]
    with tables.transaction():
        for text in lost:
            forget(tables, text)
        for digest, status in _files(directory):
            tables.change(
                "INSERT OR IGNORE INTO content VALUES (?, ?, ?, ?, 0)",
                str(digest),
                status.st_size,
                allocated(status),
                min(status.st_mtime, now),
            )


def _kept(directory: Path, text: str, size: int) -> bool:
    """Whether the row's file is whole; a file that is not is removed, and what is no digest names no file."""
    try:
        digest = parse_digest(text)
    except ValueError:
        return False
    if intact(directory, digest, size):
        return True
    remove(directory, digest)
    return False


def _files(directory: Path) -> Iterator[tuple[Digest, os.stat_result]]:
    """Every regular file whose place is that of content; anything else in the tree is ignored."""
    for algorithm in ALGORITHMS:
        for folder in _folders(directory / BLOBS / algorithm):
            for entry in os.scandir(folder):
                try:
                    digest = parse_digest(f"{algorithm}:{entry.name}")
                except ValueError:
                    continue
                if folder.name == digest.encoded[:2] and entry.is_file(follow_symlinks=False):
                    yield digest, entry.stat(follow_symlinks=False)


def _folders(path: Path) -> list[Path]:
    try:
        return [Path(entry.path) for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
