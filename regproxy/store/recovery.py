"""Opening a cache directory: whose it is, which format it has, and whether files and index still agree."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from regproxy.model.entry import Content, content_path
from regproxy.model.oci import parse_digest
from regproxy.store.files import PARTS, UNVERIFIED, allocated, doubt_unsynced, forget, sync_folder
from regproxy.store.index import NAME as INDEX
from regproxy.store.index import Tables
from regproxy.store.pools import enter
from regproxy.store.schema import FORMAT

BLOBS = "blobs"
_HEX = {"sha256": re.compile(r"[0-9a-f]{64}\Z"), "sha512": re.compile(r"[0-9a-f]{128}\Z")}
ALGORITHMS = tuple(_HEX)
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
    return OSError(
        error.errno or errno.EIO,
        f"the cache directory cannot be used ({error.strerror}); name another with --cache-dir",
        str(directory),
    )


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
    if int(text) < FORMAT:
        # Said before the index is changed: an older version must not open what is half-way.
        _write_version(directory, version)


def _begin(directory: Path, version: Path) -> None:
    for name in (PARTS, BLOBS, INDEX):
        if os.path.lexists(directory / name):
            # We empty tmp/ at every start: never somebody else's.
            raise ValueError(
                f"{directory} holds {name!r} but no VERSION file, so it is not a regproxy cache; "
                "choose an empty --cache-dir"
            )
    _write_version(directory, version)


def _write_version(directory: Path, version: Path) -> None:
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
    # After a power cut the marker must not be back.
    sync_folder(directory)
    return clean and not fresh


def reconcile(tables: Tables, directory: Path, now: float) -> None:
    """After an unclean stop: drop rows without their file, and take up files without a row, unverified.

    What is unverified is never served; `verify` reads it first. One folder at a time, by its names alone: whether a
    file is whole is seen at look-up.
    """
    doubt_unsynced(tables)
    _correct(tables, list(rows_nowhere(tables)), [])
    for folder in folders():
        there, rows = files_in(directory, folder), set(rows_in(tables, folder))
        _correct(tables, sorted(rows - there), list(_found(directory, sorted(there - rows), now)))


def _correct(tables: Tables, lost: list[str], found: list[Content]) -> None:
    if lost or found:
        with tables.transaction():
            for text in lost:
                forget(tables, text)
            for content in found:
                enter(tables, content, UNVERIFIED)


def _found(directory: Path, digests: list[str], now: float) -> Iterator[Content]:
    for text in digests:
        digest = parse_digest(text)
        try:
            status = os.lstat(directory / content_path(digest))
        except FileNotFoundError:
            continue
        yield Content(digest, status.st_size, allocated(status), min(status.st_mtime, now))


def folders() -> Iterator[str]:
    """How the digests in each folder of content begin."""
    return (f"{algorithm}:{number:02x}" for algorithm in ALGORITHMS for number in range(256))


def rows_in(tables: Tables, folder: str) -> Iterator[str]:
    """The digests of a folder that have a row."""
    # Whatever follows: a name that is no digest is for the caller to tell.
    sql = "SELECT digest FROM content WHERE digest >= ? AND digest < ?"
    return (str(text) for (text,) in tables.each(sql, folder, f"{folder}\U0010ffff"))


def rows_nowhere(tables: Tables) -> Iterator[str]:
    """The names of rows that no folder can hold."""
    nowhere = " AND ".join(f"digest NOT GLOB '{algorithm}:[0-9a-f][0-9a-f]*'" for algorithm in ALGORITHMS)
    return (str(text) for (text,) in tables.each(f"SELECT digest FROM content WHERE {nowhere}"))  # noqa: S608


def files_in(directory: Path, folder: str) -> set[str]:
    """The digests of a folder that have a regular file; whatever else lies in it is ignored."""
    algorithm, _, prefix = folder.partition(":")
    found = set()
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory / BLOBS / algorithm / prefix) as names:
        for entry in names:
            name = entry.name
            if name.startswith(prefix) and _HEX[algorithm].match(name) and entry.is_file(follow_symlinks=False):
                found.add(f"{algorithm}:{name}")
    return found
