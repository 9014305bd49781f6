"""The index: one SQLite connection on one thread, and the only place where its errors become OSError."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from regproxy.store.schema import FORMAT, STATEMENTS

T = TypeVar("T")
Value = str | int | float | None

NAME = "meta.sqlite"
DAMAGED = f"{NAME}.damaged"
LOCKED_FOR = 2.0  # seconds to wait for a foreign process that holds the file, before the look-up fails
_MEMORY = 16 * 1024  # KiB of pages that SQLite may keep


class Tables:
    """The connection as the rest of the room sees it; used on the index's thread only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, sql: str, *values: Value) -> tuple[Value, ...] | None:
        """The first row, or None."""
        row: tuple[Value, ...] | None = self._connection.execute(sql, values).fetchone()
        return row

    def each(self, sql: str, *values: Value) -> Iterator[tuple[Value, ...]]:
        """Every row, one at a time."""
        yield from self._connection.execute(sql, values)

    def change(self, sql: str, *values: Value) -> int:
        """Run one statement; the number of rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def format(self) -> int:
        """The format of the tables; the first one did not say so."""
        (found,) = self.one("PRAGMA user_version") or (0,)
        return int(found or 1)

    def set_format(self, version: int) -> None:
        """Say which format the tables have."""
        self.change(f"PRAGMA user_version = {version}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the statements inside, or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself after some errors, a full disk among them.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


class Index:
    """Runs work on the connection, one piece at a time, in order of asking.

    `durable`: what is written from now on is on the disk before it counts as done.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        self.sound = True
        self.durable = False
        self._durable = False
        self._tables: Tables | None = None
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="regproxy-index")

    async def open(self, *, check: bool) -> str | None:
        """Open the file or make it; what was wrong when it had to be moved aside, else None.

        `check` reads every page, for after an unclean stop.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._open, check)

    async def run(self, work: Callable[[Tables], T]) -> T:
        """Do `work` on the index's thread; raises OSError, whatever SQLite raised."""
        if self._tables is None:
            raise OSError(errno.EBADF, "the cache's index is closed", str(self.path))
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def close(self) -> None:
        """Write everything into the one file and let go of it; `sound` says whether it can be trusted."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        finally:
            self._thread.shutdown(wait=False)

    def _run(self, work: Callable[[Tables], T]) -> T:
        if self._tables is None:
            raise OSError(errno.EBADF, "the cache's index is closed", str(self.path))
        try:
            if self.durable is not self._durable:
                self._durable = self.durable
                self._tables.change(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            return work(self._tables)
        except (sqlite3.Error, ValueError, OverflowError) as error:
            # A row that does not parse is damage like any other; a number beyond 64 bits is no size.
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> OSError:
        if _damaged(error):
            self.sound = False
        return OSError(_ERRNO.get(_code(error), errno.EIO), f"the cache's index failed: {error}", str(self.path))

    def _open(self, check: bool) -> str | None:
        try:
            self._connect(check=check)
            return None
        except sqlite3.DatabaseError as error:
            self._disconnect()
            if not _damaged(error):
                raise self._translated(error) from error
            reason = str(error)
        for suffix in ("-wal", "-shm"):
            self.path.with_name(NAME + suffix).unlink(missing_ok=True)
        self.path.replace(self.path.with_name(DAMAGED))
        try:
            self._connect(check=False)
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return reason

    def _connect(self, *, check: bool) -> None:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(self.path, timeout=LOCKED_FOR, isolation_level=None)
        self._connection = connection
        # Nobody else opens this file; exclusive mode needs no shared memory, which network file systems lack.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_MEMORY}")
        if check:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                problem = sqlite3.DatabaseError(f"quick_check: {str(answer)[:200]}")
                problem.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise problem
        self._tables = Tables(connection)
        if self._tables.one("SELECT 1 FROM sqlite_master LIMIT 1") is None:
            self._begin(self._tables)

    def _begin(self, tables: Tables) -> None:
        with tables.transaction():
            for statement in STATEMENTS:
                tables.change(statement)
            tables.set_format(FORMAT)

    def _disconnect(self) -> None:
        self._tables = None
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _close(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self.sound = False
            raise self._translated(error) from error
        finally:
            self._disconnect()


@contextmanager
def opened_tables(directory: Path) -> Iterator[Tables]:
    """The index on the caller's own thread, for who waits for the disk anyway; raises OSError, for damage too."""
    index = Index(directory)
    try:
        index._connect(check=True)
        if index._tables is not None:
            yield index._tables
    except sqlite3.Error as error:
        raise index._translated(error) from error
    finally:
        index._close()


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF


def _damaged(error: Exception) -> bool:
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(error, ValueError)


_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}
