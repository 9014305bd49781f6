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
from regproxy.cli.table import columns, rounded
from regproxy.policy.diagnostic import visible

POLL_SECONDS = 0.3
MAX_LIST = 1000
STANDARD_INPUT = "-"


@click.group("prefetch")
def prefetch_group() -> None:
    """Images fetched whole before a client asks."""


@prefetch_group.command("run", short_help="Fetch images, or the images of a list.")
@click.argument("named", nargs=-1, required=True, metavar="LIST|IMAGE...")
@click.option("--platform", "platforms", multiple=True, help="Only this one, as linux/amd64; repeat for more.")
@admin_option
@json_option
def run(named: tuple[str, ...], platforms: tuple[str, ...], admin: str | None, as_json: bool) -> None:
    """Let the running proxy fetch images, with all their layers; exit 1 when one did not come.

    A LIST is a file with an image a line, `#` begins a comment; `-` is standard input. With --json one line for each
    image, as it ends.
    """
    images = [image for one in named for image in _images(one)]
    if not images:
        raise click.UsageError("the list names no image")
    if len(images) > MAX_LIST:
        raise click.UsageError(f"more than {MAX_LIST} images; use several lists")
    query = {"platform": ",".join(platforms)} if platforms else {}
    failed = False
    for image in images:
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


@prefetch_group.command("ls", short_help="What was prefetched, and how far it is.")
@admin_option
@json_option
def ls(admin: str | None, as_json: bool) -> None:
    """What was prefetched since the start, and how far it is, the latest first."""
    told: dict[str, Any] = call(admin, "GET", "/prefetch", {})
    jobs = told["jobs"]
    rows = [
        (
            visible(one["image"]),
            one["state"],
            f"{rounded(one['bytes'])} of {rounded(one['total'])}",
            visible(one["failure"]),
        )
        for one in jobs
    ]
    click.echo(json.dumps(jobs, indent=2) if as_json else columns(("IMAGE", "STATE", "HERE", "FAILURE"), rows))


def _images(named: str) -> Iterator[str]:
    """An image, or those of a list, without comments."""
    path = Path(named)
    if named != STANDARD_INPUT and not path.is_file():
        yield named
        return
    try:
        text = sys.stdin.read() if named == STANDARD_INPUT else path.read_text()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{named}: {error}") from error
    for line in text.splitlines():
        if image := line.partition("#")[0].strip():
            yield image


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
