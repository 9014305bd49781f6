"""`regproxy prefetch`: images fetched whole before a client asks."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.options import json_option
from regproxy.cli.table import rounded
from regproxy.policy.diagnostic import visible

POLL_SECONDS = 0.3
MAX_LIST = 1000


@click.command("prefetch")
@click.argument("images", nargs=-1)
@click.option("--list", "list_file", type=click.Path(path_type=Path, exists=True), help="A file with an image a line.")
@click.option("--platform", "platforms", multiple=True, help="Only this one, as linux/amd64; repeat for more.")
@admin_option
@json_option
def prefetch_command(
    images: tuple[str, ...], list_file: Path | None, platforms: tuple[str, ...], admin: str | None, as_json: bool
) -> None:
    """Let the running proxy fetch images, with all their layers; exit 1 when one did not come.

    With --json one line for each image, as it ends.
    """
    named = [*images, *(_read(list_file) if list_file is not None else ())]
    if not named:
        raise click.UsageError("name an image, or a --list of them")
    if len(named) > MAX_LIST:
        raise click.UsageError(f"more than {MAX_LIST} images; use several lists")
    query = {"platform": ",".join(platforms)} if platforms else {}
    failed = False
    for image in named:
        begun: dict[str, Any] = call(admin, "POST", "/prefetch", {"ref": image, **query})
        ended = _followed(admin, begun, show=not as_json)
        failed = failed or ended["state"] != "done"
        if as_json:
            click.echo(json.dumps(ended))
        elif ended["state"] == "done":
            click.echo(f"{visible(ended['image'])}: {ended['contents']} contents, {rounded(ended['bytes'])}")
        else:
            click.echo(f"{visible(ended['image'])}: {visible(ended['failure'])}", err=True)
    sys.exit(1 if failed else 0)


def _read(path: Path) -> Iterator[str]:
    """The lines of a list, without comments."""
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text:
            yield text


def _followed(admin: str | None, begun: dict[str, Any], *, show: bool) -> dict[str, Any]:
    """Wait for a job, with a bar of bytes, their rate and what is left of the time, on a terminal."""
    told: dict[str, Any] = begun
    if not (show and sys.stderr.isatty()):
        while told["state"] in ("waiting", "running"):
            told = _asked(admin, begun)
        return told
    began = time.monotonic()
    bar: Any
    with click.progressbar(length=1, label=visible(begun["image"]), file=sys.stderr, item_show_func=str) as bar:
        while told["state"] in ("waiting", "running"):
            told = _asked(admin, begun)
            bar.length = max(told["total"], told["bytes"], 1)
            rate = told["bytes"] / max(time.monotonic() - began, POLL_SECONDS)
            bar.update(told["bytes"] - bar.pos, f"{rounded(rate)}/s")
    return told


def _asked(admin: str | None, begun: dict[str, Any]) -> dict[str, Any]:
    time.sleep(POLL_SECONDS)
    return call(admin, "GET", "/prefetch", {"job": begun["job"]})
