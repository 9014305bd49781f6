"""The corpus against the real cache, through a real edge: every row that RFC 9111 demands holds."""

import asyncio
import http.client
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.cache.corpus import GROUPS, Row, Step, Timed
from tests.cache.edged import edged
from tests.cache.world import World
from tests.lab.answers import Answer, Received
from tests.lab.client import Client, Reply

HOST = "quay.io"
CONDITION = {"by etag": "if-none-match", "by date": "if-modified-since"}


def _fields(timed: Timed, now: float) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value if isinstance(value, str) else formatdate(now + value, usegmt=True)) for name, value in timed
    )


def _origin(step: Step, number: int, now: float) -> Answer:
    body = f"answer {number}".encode() if step.body is None else step.body
    return Answer(step.status, _fields(step.gives, now), body)


async def _take(world: World, client: Client, target: str, step: Step, number: int) -> str:
    """What is wrong with how one step was answered; empty if nothing is."""
    world.now += step.after
    whole = _origin(step, number, world.now)

    def script(received: Received) -> Answer:
        if step.fails:
            raise ValueError("the line is cut")
        is_confirmed = step.told in CONDITION and received.field(CONDITION[step.told])
        return Answer(304, whole.fields) if is_confirmed else whole

    world.hostile.on(HOST, target.partition("?")[0], script)
    before = len(world.hostile.requests)
    asks = dict(_fields(step.asks, world.now))
    body = b"x" if step.method in ("POST", "PUT", "PATCH") else None
    reply = await asyncio.to_thread(client.request, step.method, target, asks, body)
    asked = world.hostile.requests[before:]
    while world.core._engines.tasks:
        await asyncio.sleep(0.001)
    return _told(step, asked) or _seen(step, reply, world.now)


def _told(step: Step, asked: list[Received]) -> str:
    names = {name.lower() for received in asked for name, _ in received.fields}
    match step.told:
        case "stored" | "refused":
            return "" if not asked else "the origin was asked"
        case "asked":
            ours = names & set(CONDITION.values()) - {name.lower() for name, _ in step.asks}
            free = step.fails or step.client or step.method == "HEAD"
            return "" if asked and (free or not ours) else f"asked {len(asked)} times, {ours}"
        case _:
            return "" if CONDITION[step.told] in names else "not asked by its validator"


def _seen(step: Step, reply: Reply, now: float) -> str:
    if step.client and reply.status != step.client:
        return f"the client got {reply.status}"
    if step.reads is not None and reply.body != step.reads:
        return f"the client read {reply.body!r}"
    for name, value in _fields(step.shows, now):
        if reply.fields.get(name.lower()) != value:
            return f"{name} was {reply.fields.get(name.lower())!r}"
    present = [name for name in step.lacks if name.lower() in reply.fields]
    return f"{present} came along" if present else ""


async def _row(world: World, client: Client, target: str, row: Row) -> str:
    for number, step in enumerate(row.steps):
        try:
            wrong = await _take(world, client, f"{target}{step.at}", step, number)
        except http.client.HTTPException as error:
            wrong = repr(error)
        if wrong:
            return f"step {number + 1}: {wrong}"
    return ""


@pytest.mark.parametrize("group", GROUPS)
def test_the_corpus_holds(tmp_path: Path, group: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> dict[str, str]:
        wrong = {}
        async with edged(tmp_path) as (world, client):
            for number, row in enumerate(GROUPS[group]):
                if found := await _row(world, client, f"/corpus/{number}", row):
                    wrong[row.name] = found
        return wrong

    wrong = asyncio.run(story())
    rows = GROUPS[group]
    demanded = [row for row in rows if row.must]
    held = [sum(row.name not in wrong for row in some) for some in (demanded, rows)]
    with capsys.disabled():
        print(f"\n  {group}: {held[0]} of {len(demanded)} that must, {held[1]} of {len(rows)} in all", end="")
    assert set(wrong) == {row.name for row in rows if row.not_here}, wrong


def test_what_is_left_out_is_left_out_for_a_reason_and_is_never_what_must_be() -> None:
    for rows in GROUPS.values():
        assert not [row.name for row in rows if row.must and row.not_here]
        assert len({(row.name, row.must) for row in rows}) == len(rows)
    assert sum(map(len, GROUPS.values())) > 250
