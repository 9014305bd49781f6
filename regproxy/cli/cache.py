"""`regproxy cache verify|du`: look over a cache directory that no proxy uses."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from regproxy.cli.deferred import Deferred, named
from regproxy.cli.options import cache_dir_option, json_option
from regproxy.cli.sentence import sentence
from regproxy.cli.table import rounded
from regproxy.settings.directories import default_cache_directory
from regproxy.store.scrub import Directory, Holding, looked_over

_STEP = 64 * 1024**2  # bytes between two lines of progress


_COMMANDS = (
    Deferred("ls", "images:ls", "The tags, with what the next pull of each would meet."),
    Deferred("show", "images:show", "The platforms and layers of an image."),
    Deferred("history", "images:history", "What a tag meant, the latest first."),
    Deferred("refresh", "images:refresh", "Ask the registry now what tags mean."),
    Deferred("purge", "images:purge", "Let tags be asked for anew, be distrusted, or be gone."),
    Deferred("restore", "images:restore", "Let a tag mean what it meant before."),
    Deferred("export", "carry:export_command", "Write images into an OCI image layout."),
    Deferred("import", "carry:import_command", "Take images from an OCI image layout, or from the seed."),
)


@click.group("cache", commands=named(_COMMANDS))
def cache_group() -> None:
    """Images of the running proxy; and the cache on disk, while no proxy uses it (verify, du, export, import)."""


@cache_group.command("verify", short_help="Hash all content against its name.")
@cache_dir_option
@click.option("--remove", is_flag=True, help="Remove what is wrong.")
@json_option
def verify(cache_dir: Path | None, remove: bool, as_json: bool) -> None:
    """Hash all content against its name; exit 1 when something is wrong.

    Reports files that do not hash to their name, rows without a file, and files without a row.
    """
    progress = Progress()
    found: Counter[str] = Counter()
    with opened(cache_dir) as directory:
        for finding in directory.verify(progress.read):
            found[finding.fault] += 1
            if remove:
                directory.remove(finding)
            line = {"fault": finding.fault, "digest": finding.digest, "size": finding.size, "removed": remove}
            click.echo(json.dumps(line) if as_json else f"{finding.fault:8} {finding.digest} {finding.size}")
        entries = directory.total().entries
    progress.done()
    if as_json:
        click.echo(json.dumps({"entries": entries, "bytes_read": progress.total, "wrong": found.total()}))
    else:
        wrong = ", ".join(f"{count} {fault}" for fault, count in sorted(found.items())) or "nothing is wrong"
        done = ", removed" if found and remove else ""
        click.echo(f"{entries} entries, {rounded(progress.total)} read: {wrong}{done}")
    if found:
        sys.exit(1)


@cache_group.command("du")
@cache_dir_option
@json_option
def du(cache_dir: Path | None, as_json: bool) -> None:
    """Bytes on disk by registry and repository.

    Content that repositories share counts for each of them, and once in the total, and in what of it is pinned.
    """
    with opened(cache_dir) as directory:
        for holding in directory.holdings():
            click.echo(json.dumps(_object(holding)) if as_json else _line(holding))
        total, pinned = directory.total(), directory.pinned()
    if as_json:
        told = {"total": total.allocated, "entries": total.entries, "pinned": pinned.allocated}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{pinned.allocated:>15} {pinned.entries:>8} pinned")
        click.echo(f"{total.allocated:>15} {total.entries:>8} total")


def _object(holding: Holding) -> dict[str, object]:
    return {
        "registry": holding.authority,
        "repository": holding.repository,
        "entries": holding.entries,
        "bytes": holding.allocated,
    }


def _line(holding: Holding) -> str:
    return f"{holding.allocated:>15} {holding.entries:>8} {holding.authority} {holding.repository}"


@contextmanager
def opened(given: Path | None, *, make: bool = False) -> Iterator[Directory]:
    """The directory, or a sentence and exit 1."""
    path = given or default_cache_directory(os.environ)
    try:
        with looked_over(path, make=make) as directory:
            yield directory
    except BlockingIOError as error:
        raise click.ClickException(f"{path}: a regproxy runs on this cache; stop it first") from error
    except (OSError, ValueError) as error:
        raise click.ClickException(sentence(error)) from error


class Progress:
    """Says on a terminal how far the reading came."""

    def __init__(self) -> None:
        self.total = 0
        self._said = 0
        self._shown = sys.stderr.isatty()

    def read(self, count: int) -> None:
        """So many bytes more were read."""
        self.total += count
        if self._shown and self.total - self._said >= _STEP:
            self._said = self.total
            click.echo(f"\r{self.total // 1024**2} MiB read ", err=True, nl=False)

    def done(self) -> None:
        """Clear the line."""
        if self._said:
            click.echo("\r", err=True, nl=False)
