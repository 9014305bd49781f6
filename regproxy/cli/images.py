"""`regproxy cache ls|show|history|refresh|purge|restore`: the images of the running proxy."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.options import json_option
from regproxy.cli.table import columns, rounded, short, span
from regproxy.policy.diagnostic import visible

COULD_NOT_ASK = 3
MAX_PAGES = 10_000


@click.command("ls")
@click.argument("images", required=False, default="", metavar="[IMAGE|PATTERN]")
@admin_option
@json_option
def ls(images: str, admin: str | None, as_json: bool) -> None:
    """The tags in the cache, with what the next pull of each would meet.

    In a PATTERN like 'docker.io/library/*:*' a `*` stops at `/`, `**` at nothing. With --json one line for each.
    """
    found = _listed(admin, images)
    if as_json:
        for one in found:
            click.echo(json.dumps(one))
        return
    now = time.time()
    head = ("IMAGE", "DIGEST", "SIZE", "STATE", "CHECKED", "USED")
    rows = [
        (
            visible(one["image"]),
            short(one["digest"]),
            rounded(one["bytes"]),
            one["state"],
            f"{span(now - one['validated_at'])} ago",
            f"{span(now - one['last_used'])} ago" if one["last_used"] is not None else "not here",
        )
        for one in found
    ]
    click.echo(columns(head, rows))


def _listed(admin: str | None, images: str) -> Iterator[dict[str, Any]]:
    after = ""
    for _ in range(MAX_PAGES):
        page: dict[str, Any] = call(admin, "GET", "/images", {"match": images, "after": after})
        yield from page["images"]
        after = page["next"] or ""
        if not after:
            return


@click.command("show")
@click.argument("image")
@admin_option
@json_option
def show(image: str, admin: str | None, as_json: bool) -> None:
    """One image: its platforms, configs and layers, and which of them are on disk."""
    told: dict[str, Any] = call(admin, "GET", "/image", {"ref": image})
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(visible(told["image"]))
    for depth, node in _nodes(told["tree"]):
        here = "" if node["here"] else "  not here"
        platform = f"  {visible(node['platform'])}" if node["platform"] else ""
        click.echo(f"{'  ' * depth}{node['role']} {node['digest']}  {rounded(node['size'])}{platform}{here}")


def _nodes(node: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, node
    for child in node.get("children", ()):
        yield from _nodes(child, depth + 1)


@click.command("history")
@click.argument("image")
@admin_option
@json_option
def history(image: str, admin: str | None, as_json: bool) -> None:
    """What a tag meant, the latest first."""
    told: dict[str, Any] = call(admin, "GET", "/image/history", {"ref": image})
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    now = time.time()
    rows = [
        (one["digest"], rounded(one["size"]), f"{span(now - one['first_at'])} ago", f"{span(now - one['last_at'])} ago")
        for one in told["history"]
    ]
    click.echo(columns(("DIGEST", "SIZE", "FIRST", "LAST"), rows))


@click.command("refresh")
@click.argument("images", metavar="IMAGE|PATTERN")
@admin_option
@json_option
def refresh(images: str, admin: str | None, as_json: bool) -> None:
    """Ask the registry now what the tags mean, whatever is fresh; exit 3 when one could not be asked."""
    told: dict[str, Any] = call(admin, "POST", "/images/refresh", {"match": images})
    if as_json:
        click.echo(json.dumps(told, indent=2))
    for one in told["images"] if not as_json else ():
        before, after = (short(one[key]) if one[key] else "nothing" for key in ("before", "after"))
        if one["failure"]:
            click.echo(f"{visible(one['image'])}: {visible(one['failure'])}", err=True)
        else:
            click.echo(f"{visible(one['image'])}: {before if before == after else f'{before} -> {after}'}")
    if any(one["failure"] for one in told["images"]):
        sys.exit(COULD_NOT_ASK)


@click.command("purge")
@click.argument("images", metavar="IMAGE|PATTERN")
@click.option("--expire", "how", flag_value="expire", default=True, help="Ask before the next serve (default).")
@click.option("--distrust", "how", flag_value="distrust", help="Never serve this digest from this tag again.")
@click.option("--hard", "how", flag_value="hard", help="Remove the bytes that nobody else names.")
@click.option("--dry-run", is_flag=True, help="Only say which.")
@admin_option
@json_option
def purge(images: str, how: str, dry_run: bool, admin: str | None, as_json: bool) -> None:
    """Let tags be asked for anew, be distrusted, or be gone; exit 1 when none is there.

    What is expired may still save an outage; `restore` takes a distrust back.
    """
    query = {"match": images, "how": how, **({"dry-run": "1"} if dry_run else {})}
    told: dict[str, Any] = call(admin, "POST", "/images/purge", query)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for image in told["images"]:
            click.echo(visible(image))
        if how == "hard" and not dry_run:
            kept = f", {told['shared']} kept for others" if told["shared"] else ""
            click.echo(f"{told['contents']} contents, {rounded(told['bytes'])} freed{kept}")
    if not told["images"]:
        click.echo("nothing of that name is in the cache", err=True)
        sys.exit(1)


@click.command("restore")
@click.argument("image")
@click.option("--digest", help="What it shall mean; by default what it meant before.")
@click.option("--hours", type=click.IntRange(1, 8784), default=24, show_default=True, help="For so long.")
@admin_option
@json_option
def restore(image: str, digest: str | None, hours: int, admin: str | None, as_json: bool) -> None:
    """Let a tag mean what it meant before, whatever its registry says now."""
    query = {"ref": image, "seconds": str(hours * 3600), **({"digest": digest} if digest else {})}
    told: dict[str, Any] = call(admin, "POST", "/image/restore", query)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"{visible(told['image'])} is {told['digest']} for {hours} h")
