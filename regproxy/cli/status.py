"""`regproxy status|top|ratelimit|upstream`: how the running proxy and its registries are."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import click

from regproxy.cli.admin import admin_option, call
from regproxy.cli.options import json_option
from regproxy.cli.table import columns, rounded, span
from regproxy.model.brief import standing, took
from regproxy.model.hit_ratio import asked_and_kept
from regproxy.policy.diagnostic import visible

TOP_SECONDS = 2.0
MAX_SCREENS = 1_000_000


@click.command("status")
@admin_option
@json_option
def status_command(admin: str | None, as_json: bool) -> None:
    """What runs, how full the cache is, and what it saved; exit 1 when the proxy is not ready."""
    told: dict[str, Any] = call(admin, "GET", "/status", {})
    click.echo(json.dumps(told, indent=2) if as_json else screen(told, {}, 0.0))
    sys.exit(0 if told["state"] == "ready" else 1)


@click.command("top")
@click.option("--interval", type=click.FloatRange(0.2, 60), default=TOP_SECONDS, show_default=True, help="Seconds.")
@click.option("--screens", type=click.IntRange(1, MAX_SCREENS), default=MAX_SCREENS, hidden=True)
@admin_option
@json_option
def top_command(interval: float, screens: int, admin: str | None, as_json: bool) -> None:
    """The same, again and again, with rates; Ctrl-C ends it. With --json a line each time."""
    before: dict[str, Any] = {}
    began = time.monotonic()
    for shown in range(screens):
        told: dict[str, Any] = call(admin, "GET", "/status", {})
        now = time.monotonic()
        if sys.stdout.isatty() and not as_json:
            click.clear()
        click.echo(json.dumps(told) if as_json else screen(told, before, now - began if shown else 0.0))
        before, began = told, now
        if shown + 1 < screens:
            time.sleep(interval)


def screen(told: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> str:
    """Everything on one screen; with an earlier state, so many seconds ago, also rates."""
    cache, policy = told["cache"], told["policy"]
    full = cache["bytes"] / cache["limit"] if cache["limit"] else 0.0
    lines = [
        f"regproxy {told['version']}: {told['state']}, up {span(time.time() - told['since'])}",
        f"policy   {visible(policy['name'])}, {policy['tiers']} tiers, checksum {policy['checksum'][:12]}",
        f"cache    {rounded(cache['bytes'])} of {rounded(cache['limit'])} ({full:.0%}), {cache['entries']} contents, "
        f"{told['fetches']} being fetched",
        _saved(told, before, seconds),
        "",
        upstreams(told["upstreams"]),
    ]
    return "\n".join(lines)


def _saved(told: Mapping[str, Any], before: Mapping[str, Any], seconds: float) -> str:
    total, kept = asked_and_kept(told["requests"])
    ratio = f"{kept / total:.0%} from the cache" if total else "nothing asked yet"
    sent = told["response_bytes"]
    served = f"{rounded(sum(sent.values()))} served, {rounded(sent.get('cache', 0.0))} of them from the cache"
    line = f"requests {total:.0f}, {ratio}; {served}"
    if seconds <= 0 or not before:
        return line
    asked = sum(told["requests"].values()) - sum(before["requests"].values())
    moved = sum(sent.values()) - sum(before["response_bytes"].values())
    return f"{line}\nnow      {asked / seconds:.1f} requests/s, {rounded(moved / seconds)}/s"


def upstreams(rows: list[dict[str, Any]]) -> str:
    """A table of registries."""
    now = time.time()
    shown = []
    for one in rows:
        allowed = one["allowed"]
        left = ", ".join(f"{each['remaining']} of {each['limit']} ({each['account']})" for each in allowed) or "-"
        quick = one["first_byte"]
        within = f"{took(quick['median'])} .. {took(quick['slow'])}" if quick else "-"
        shown.append((visible(one["authority"]), _standing(one, now), left, within))
    return columns(("REGISTRY", "STATE", "PULLS LEFT", "FIRST BYTE"), shown)


def _standing(one: Mapping[str, Any], now: float) -> str:
    words, _ = standing(one, now)
    return f"{words}: {visible(one['cause'])}" if one["cause"] and words.startswith("fail") else words


@click.command("ratelimit")
@admin_option
@json_option
def ratelimit_command(admin: str | None, as_json: bool) -> None:
    """Pulls that registries say are left, by account; exit 1 when one is used up."""
    told: dict[str, Any] = call(admin, "GET", "/upstreams", {})
    found = [(one["authority"], each) for one in told["upstreams"] for each in one["allowed"]]
    now = time.time()
    if as_json:
        click.echo(json.dumps([{"authority": name, **each} for name, each in found], indent=2))
    elif found:
        rows = [
            (
                visible(name),
                each["account"],
                f"{each['remaining']} of {each['limit']}",
                f"in {span(each['window'])}" if each["window"] else "-",
                f"{span(now - each['observed_at'])} ago",
            )
            for name, each in found
        ]
        click.echo(columns(("REGISTRY", "ACCOUNT", "LEFT", "WINDOW", "SAID"), rows))
    else:
        click.echo("no registry has said how many pulls are left")
    sys.exit(1 if any(each["remaining"] == 0 for _, each in found) else 0)
