"""The doctor: what the proxy saw of a client, in sentences, each with what to do about it."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from regproxy.model.sighting import Sighting
from regproxy.setup.facts import Facts
from regproxy.setup.template import fill, template

_BROKEN_OFF = ("untrusted", "broken")


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about one registry; `fix` is empty where all is well."""

    sentence: str
    fix: str = ""


def findings(sightings: Sequence[Sighting], facts: Facts, client: str, now: float) -> tuple[Finding, ...]:
    """What to tell a client, the last that happened first; `now` in seconds since the epoch."""
    words = tomllib.loads(template("doctor.toml"))
    values = facts.values() | {"CLIENT": client, "NOW": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"}
    values["TRUST"] = fill(words["trust"]["sentence"], values)
    if not sightings:
        return (_finding(words["unseen"], values),)
    # What was intercepted is told by how it went on.
    went_on = {one.authority for one in sightings if one.deed in ("answered", *_BROKEN_OFF)}
    answered_at = {one.authority: one.at for one in sightings if one.deed == "answered"}
    found = []
    for one in sightings:
        if one.deed == "intercepted" and one.authority in went_on:
            continue
        cured = one.deed in _BROKEN_OFF and answered_at.get(one.authority, 0.0) > one.at
        failed = one.deed == "answered" and one.detail.startswith("5")
        told = words["cured" if cured else one.deed] | (words["unanswered"] if failed else {})
        found.append(_finding(told, values | _of(one, now)))
    return tuple(found)


def _of(one: Sighting, now: float) -> dict[str, str]:
    times = "once" if one.count == 1 else f"{one.count} times"
    return {
        "NAME": one.authority or "The proxy's own port",
        "DETAIL": one.detail,
        "TIMES": f"{times}, {max(0, round(now - one.at))} s ago",
    }


def _finding(words: dict[str, str], values: dict[str, str]) -> Finding:
    return Finding(fill(words["sentence"], values), fill(words.get("fix", ""), values))


def as_text(found: Iterable[Finding], facts: Facts, client: str) -> str:
    """For terminals."""
    lines = [
        f"{'LOOK' if one.fix else 'OK':6}{one.sentence}" + (f"\n      {one.fix}" if one.fix else "") for one in found
    ]
    return f"What regproxy at {facts.url} saw of you, {client}:\n\n" + "\n".join(lines) + "\n"


def as_html(found: Iterable[Finding], facts: Facts, client: str) -> str:
    """For browsers."""
    items = "\n".join(
        f'<li class="{"look" if one.fix else "ok"}"><p>{escape(one.sentence)}</p>'
        + (f"<p>{escape(one.fix)}</p>" if one.fix else "")
        + "</li>"
        for one in found
    )
    said = {name: escape(value) for name, value in facts.values().items()}
    return fill(template("doctor.html"), said | {"CLIENT": escape(client), "FINDINGS": items})
