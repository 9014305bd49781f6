"""A look at a policy's files: what each holds, as a hash. It never waits, whatever stands in a file's place."""

import codecs
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_BYTES = 16 * 1024 * 1024
MAX_LISTED = 1000
_PIECE = 256 * 1024
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Look:
    """By name: the SHA-256 of each file's content and each folder's listing, and a sentence for what gave none.

    Two looks are equal when nothing changed between them. Names, not inodes: Kubernetes swaps a link above the files,
    editors rename.
    """

    held: Mapping[str, str]
    problems: Mapping[str, str]


def look(files: Iterable[str], folders: Iterable[str] = ()) -> Look:
    """Read all of them; never raises for what lies there."""
    held: dict[str, str] = {}
    problems: dict[str, str] = {}
    for names, read in ((files, _content), (folders, _listing)):
        for name in sorted(set(names)):
            try:
                held[name] = read(name)
            except OSError as error:
                problems[name] = f"cannot read {name}: {error.strerror or error}"
    return Look(held, problems)


def hash_of(text: str) -> str:
    """What a look says of a file that holds this text; a byte order mark is no part of it."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _content(name: str) -> str:
    descriptor = os.open(name, _READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is not a regular file")
        digest, size = hashlib.sha256(), 0
        while piece := os.read(descriptor, _PIECE):
            digest.update(piece if size else piece.removeprefix(codecs.BOM_UTF8))
            size += len(piece)
            if size > MAX_BYTES:
                raise OSError(f"it is larger than {MAX_BYTES // 1024**2} MiB")
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _listing(name: str) -> str:
    """The names in a folder, dotfiles left out: Kubernetes and editors keep their own things there."""
    with os.scandir(name) as entries:
        names = sorted(entry.name for _, entry in zip(range(MAX_LISTED), entries, strict=False))
    shown = "\0".join(one for one in names if not one.startswith("."))
    return hashlib.sha256(os.fsencode(shown)).hexdigest()
