"""Looking over a cache directory that nobody uses: does all content hash to its name, and whose is it?"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from regproxy.model.address import parse_authority
from regproxy.model.entry import Binding, BindingKey, content_path
from regproxy.model.inventory import TagKey
from regproxy.model.oci import Digest, parse_digest
from regproxy.store.files import forget, hashes_to, intact, remove, total
from regproxy.store.index import NAME, Tables, opened_tables
from regproxy.store.migration import migrate
from regproxy.store.pools import PINNED, Total, totals
from regproxy.store.recovery import claim, files_in, folders, rows_in, rows_nowhere
from regproxy.store.rows import read_binding

Fault = Literal["damaged", "lost", "stray", "nameless"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `size` in bytes, 0 where there is no file.

    damaged: the file does not hash to its name; lost: a row without a file; stray: a file without a row; nameless: a
    row whose name is no digest.
    """

    fault: Fault
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What one repository of one registry has in the cache; content that several share counts for each."""

    authority: str
    repository: str
    entries: int
    allocated: int


class Directory:
    """A cache directory while it is ours."""

    def __init__(self, path: Path, tables: Tables) -> None:
        self.path = path
        self.tables = tables

    def total(self) -> Total:
        """Bytes on disk and number of all content."""
        return total(self.tables)

    def pinned(self) -> Total:
        """What of it is pinned."""
        return totals(self.tables)[PINNED]

    def verify(self, progress: Callable[[int], None]) -> Iterator[Finding]:
        """Read all content, folder by folder; `progress` hears how many bytes were read, file by file."""
        for text in rows_nowhere(self.tables):
            yield Finding("nameless", text, 0)
        for folder in folders():
            rows, there = set(rows_in(self.tables, folder)), files_in(self.path, folder)
            for text in sorted(rows | there):
                digest = _digest(text)
                if digest is None:
                    yield Finding("nameless", text, 0)
                    continue
                size = self._size(digest)
                if text not in there:
                    yield Finding("lost", text, 0)
                elif text not in rows:
                    yield Finding("stray", text, size)
                elif not (intact(self.path, digest, self._announced(text)) and hashes_to(self.path, digest)):
                    yield Finding("damaged", text, size)
                progress(size)

    def remove(self, finding: Finding) -> None:
        """Remove the row, the file, or both."""
        digest = _digest(finding.digest)
        if digest is not None:
            remove(self.path, digest)
        with self.tables.transaction():
            forget(self.tables, finding.digest)

    def holdings(self) -> Iterator[Holding]:
        """What each repository has, registry by registry."""
        sql = (
            "SELECT l.authority, l.repository, count(*), sum(c.allocated)"
            " FROM (SELECT DISTINCT authority, repository, digest FROM link) l JOIN content c ON c.digest = l.digest"
            " GROUP BY l.authority, l.repository ORDER BY l.authority, l.repository"
        )
        for authority, repository, entries, allocated in self.tables.each(sql):
            yield Holding(str(authority), str(repository), int(entries or 0), int(allocated or 0))

    def tags(self) -> Iterator[tuple[TagKey, Binding]]:
        """Every tag that means something, and what, in order of their names."""
        sql = "SELECT authority, repository, tag FROM binding WHERE accept = '' AND gone_at IS NULL ORDER BY 1, 2, 3"
        for authority, repository, tag in list(self.tables.each(sql)):
            key = TagKey(parse_authority(str(authority)), str(repository), str(tag))
            binding = read_binding(self.tables, BindingKey(key.authority, key.repository, key.tag))
            if binding is not None:
                yield key, binding

    def _announced(self, text: str) -> int:
        (size,) = self.tables.one("SELECT size FROM content WHERE digest = ?", text) or (-1,)
        return int(size or 0)

    def _size(self, digest: Digest) -> int:
        with suppress(OSError):
            status = os.lstat(self.path / content_path(digest))
            return status.st_size if stat.S_ISREG(status.st_mode) else 0
        return 0


@contextmanager
def looked_over(path: Path, *, make: bool = False) -> Iterator[Directory]:
    """The directory for as long as nobody else uses it; `make`: also where there is no cache yet.

    Raises FileNotFoundError when there is no cache, BlockingIOError when a proxy uses it, OSError when it cannot be
    read or its index is damaged, ValueError when its format is not ours.
    """
    is_new = not os.path.lexists(path / NAME)
    if is_new and not make:
        raise FileNotFoundError(errno.ENOENT, "there is no cache here", str(path))
    claimed = claim(path)
    clean = False
    try:
        with opened_tables(path) as tables:
            migrate(tables, path)
            yield Directory(path, tables)
        clean = claimed.clean or is_new
    finally:
        claimed.release(clean=clean)


def _digest(text: str) -> Digest | None:
    try:
        return parse_digest(text)
    except ValueError:
        return None
