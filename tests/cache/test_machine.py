"""The cache against a plain model, by chance: real clients before an edge, a real registry that misbehaves behind it.

After every request the answer's status, word and bytes and the calls that the registry saw are those of the model, and
what lies on disk was verified.
"""

import asyncio
import http.client
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from regproxy.app.listeners import bind, reached_by
from regproxy.app.pages import Pages
from regproxy.app.seam import Seam
from regproxy.model.address import Authority
from regproxy.model.event import ExchangeFinished, Outcome, StoreFailed
from regproxy.model.oci import parse_digest
from regproxy.proxy.edge import Edge
from regproxy.proxy.listener import Doors, Listener
from regproxy.proxy.memory import Memory
from regproxy.tls.authority import create
from regproxy.tls.contexts import Contexts
from regproxy.tls.directory import Holdings
from tests.cache.model import (
    BLOBS,
    BODIES,
    DIGESTS,
    MANIFESTS,
    NUMBERS,
    PLACES,
    RETRY_AFTER,
    TAGS,
    Due,
    Fault,
    Method,
    Model,
    Place,
    Promise,
    Registry,
    is_manifest,
)
from tests.cache.world import MANIFEST_TYPE, World, world
from tests.lab.answers import Answer, Received, abused, blob, manifest, pull_limited
from tests.lab.client import Client, Reply
from tests.lab.processes import free_port

T = TypeVar("T")

HEAD = "cache {{ size {size}KiB; min-free 1B; inactive 3650d; }}"
CUT = (http.client.HTTPException, OSError)
PROMISES = (
    {"zero": Promise(0, 3600), "latest": Promise(300, 86400), "swr": Promise(60, 3600, 1800)},
    {"zero": Promise(30, 60), "latest": Promise(10, 600), "swr": Promise(0, 0)},
)
MAX_RESUMPTIONS = 3
# Failures in a row open a breaker, which has tests of its own.
MAX_DROPS = 3
# More than any request looks up before it joins those who ask already.
MAX_LOOKS = 10

places = st.sampled_from([PLACES[0], PLACES[0], *PLACES])
pauses = st.sampled_from([0, 0, 0, 1, 15, 45, 70, 400, 4000, 90_000])
moves = st.sampled_from([None, None, None, None, -1, *range(len(MANIFESTS))])
tags = st.sampled_from(TAGS)
numbers = st.integers(0, len(BODIES) - 1)
methods = st.sampled_from(["GET", "GET", "HEAD"])
faults = st.sampled_from(["", "", "", "", "", "", "429", "pulls", "500", "drop", "cut", "broken", "wrong", "slow"])
parts = st.sampled_from(["", "", "range", "condition"])


def tiers(promises: dict[str, Promise]) -> str:
    """The policy that grants these promises."""
    lines = ["defaults { revalidate head within 1s; }"]
    lines += ['tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }']
    for tag, promise in promises.items():
        terms = f"fresh {promise.fresh}s; stale if-error {promise.stale}s on $outage;"
        if promise.while_revalidate:
            terms += f" stale while-revalidate {promise.while_revalidate}s;"
        lines.append(f'tier {tag} {{ match kind is manifest and tag is "{tag}"; {terms} }}')
    return "\n".join([*lines, "tier rest { match any; pass; }"])


@dataclass(slots=True)
class Got:
    """What a client saw; no reply: the body broke off."""

    reply: Reply | None
    outcome: Outcome


class Machine(RuleBasedStateMachine):
    """One core and one edge, their registry, and the model of them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="regproxy-cache-"))
        self.stack = AsyncExitStack()
        self.registry = Registry()
        self.slow = Event()
        self.edge: Listener | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def start(self) -> None:
        head = HEAD.format(size=2048)
        self.world: World = self.run(self.stack.enter_async_context(world(self.root, tiers(PROMISES[0]), head)))
        self.registry.tags.update({(place, tag): 0 for place in PLACES for tag in TAGS})
        self.model = Model(self.registry, PROMISES[0], self.world.now)
        self.ca = create(self.root / "ca", ["quay.io", "ghcr.io"], time.time())
        for host in ("quay.io", "ghcr.io"):
            self.world.hostile.on(host, "/v2/*", self._says)
        self._listen()

    def _listen(self) -> None:
        self.port = free_port()
        listening = bind(f"127.0.0.1:{self.port}")
        seam = Seam(
            self.world.core.cache, self.world.core.tunnels, lambda: Holdings(self.ca), None, time.time, lambda _: ()
        )
        pages = Pages(lambda: self.ca.pem, lambda: self.ca.fingerprint, lambda: "", seam.sightings)
        memory = Memory(lambda: self.world.now, lambda: self.world.now)
        contexts = Contexts(seam.leaf, time.time)
        edge = Edge(seam, contexts, pages.page, self.world.directory, reached_by([listening]), memory)
        self.edge = Listener(edge, Doors([listening]))
        self.run(self._begin(self.edge))

    async def _begin(self, listener: Listener) -> None:
        listener.start()

    def teardown(self) -> None:
        self.slow.set()
        if self.edge is not None:
            self.run(self.edge.drain(0))
        self.run(self.stack.aclose())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.root)

    # The registry.

    def _says(self, request: Received) -> Answer:
        """The registry's answer; faults are as the model has them."""
        _, _, first, second, _, reference = request.path.split("/")
        fault = self.registry.fault
        status, number = self.registry.find((request.host, f"{first}/{second}"), reference)
        pull = request.method == "GET" and "/manifests/" in request.path
        if fault == "drop":
            raise ValueError("the connection ends here")
        if fault == "slow":
            self.slow.wait(10)
        if fault == "429":
            return abused(("Retry-After", str(RETRY_AFTER)))
        if fault == "pulls" and pull:
            return pull_limited(("Retry-After", str(RETRY_AFTER)))
        if fault == "500" or status != 200:
            return Answer(500 if fault == "500" else status, body=b"{}")
        body = BODIES[number]
        whole = manifest(body, MANIFEST_TYPE, DIGESTS[number]) if is_manifest(number) else blob(body)
        if fault == "wrong":
            return replace(whole, body=b"!" * len(body))
        if fault == "broken" or (fault == "cut" and not request.field("range")):
            return replace(whole, cut=len(body) // 2, ranges=fault == "cut")
        return whole

    # Requests.

    @rule(asks=st.lists(st.tuples(places, tags, methods, faults, parts, pauses, moves), min_size=3, max_size=8))
    def ask_by_tag(self, asks: list[tuple[Place, str, Method, Fault, str, int, int | None]]) -> None:
        """Tags are made, move, go and come back; time passes; and clients ask."""
        for place, tag, method, fault, part, pause, number in asks:
            self.world.now += pause
            if number is not None:
                self.registry.tags[place, tag] = number
            self.model.now = self.world.now
            known = self.model.meanings.get((place, tag))
            stuck = fault == "slow" and not self._waits_in_vain(place, tag)
            # With the bytes gone two questions are under way at once, and which of them meets the fault is chance.
            races = known is not None and not self.model.usable(place, known.number) and tag == "swr"
            self._request(place, tag, method, "" if stuck or races else fault, part)

    def _waits_in_vain(self, place: Place, tag: str) -> bool:
        """Whether a slow registry is asked, waited for, and then answered for."""
        known, promise = self.model.meanings.get((place, tag)), self.model.promises[tag]
        old = known is not None and self.model.now - known.validated_at >= promise.fresh + promise.while_revalidate
        free = self.model.now >= self.model.limits.get(place[0], 0)
        return old and free and self.model.patient(place, tag)

    @rule(asks=st.lists(st.tuples(places, numbers, methods, faults, parts), min_size=2, max_size=6))
    def ask_by_digest(self, asks: list[tuple[Place, int, Method, Fault, str]]) -> None:
        for place, number, method, fault, part in asks:
            self._request(place, DIGESTS[number], method, "" if fault == "slow" else fault, part)

    def _request(self, place: Place, reference: str, method: Method, fault: Fault, part: str) -> None:
        if fault == "drop" and self.model.dropped.get(place[0], 0) >= MAX_DROPS:
            fault = ""
        self.registry.fault = fault
        self.slow.clear()
        before, asked = self._before()
        due = self._due(method, place, reference)
        # A part of a body that will not be whole may be had; whole answers are what the model knows of those.
        fields = {} if due.broken or method == "HEAD" else _part(part, due)
        got = self.run(self._get(place, reference, method, fields))
        self.slow.set()
        repeated = before.repeatable(place, reference) if got.outcome is Outcome.HIT else -1
        if self._conclude(before, repeated, self._settle(asked), fault):
            due = Due(200, Outcome.HIT, repeated)
        _same(got, due, method, fields)

    def _conclude(self, before: Model, repeated: int, seen: list[str], fault: Fault) -> bool:
        """Hold the calls against the model's; True where an edge remembered what is fresh, its bytes evicted or not."""
        if repeated >= 0 and not seen:
            self.model = before
            self._note_the_disk()
            return True
        self._agree(seen, fault)
        return False

    def _before(self) -> tuple[Model, int]:
        self.model.now = self.world.now
        before, self.model = self.model, self.model.copy()
        return before, len(self.world.hostile.requests)

    def _due(self, method: Method, place: Place, reference: str) -> Due:
        if reference in NUMBERS:
            return self.model.by_digest(method, place, NUMBERS[reference])
        return self.model.by_tag(method, place, reference)

    async def _get(self, place: Place, reference: str, method: Method, fields: dict[str, str]) -> Got:
        answered = len(self._answered())

        def exchange() -> Reply | None:
            with self._client(place) as client:
                try:
                    return client.request(method, _path(place, reference), fields)
                except CUT:
                    return None

        reply = await asyncio.to_thread(exchange)
        async with asyncio.timeout(5):
            while len(self._answered()) == answered:
                await asyncio.sleep(0.001)
        return Got(reply, self._answered()[-1].labels.outcome)

    def _client(self, place: Place) -> Client:
        return Client(self.port, self.root / "ca" / "ca.crt", f"{place[0]}:443")

    def _answered(self) -> list[ExchangeFinished]:
        return [event for event in self.world.events if isinstance(event, ExchangeFinished)]

    @rule(place=places, number=st.integers(len(MANIFESTS), len(BODIES) - 1))
    def leave(self, place: Place, number: int) -> None:
        """A client asks for a blob and leaves when it begins to come: the fetch goes on, or a hit is cut short."""
        self.registry.fault = ""
        before, asked = self._before()
        self._due("GET", place, DIGESTS[number])

        def leave() -> None:
            with self._client(place) as client:
                client.send("GET", _path(place, DIGESTS[number]))

        self.run(asyncio.to_thread(leave))
        self._conclude(before, before.repeatable(place, DIGESTS[number]), self._settle(asked), "")

    @rule(place=places, reference=st.sampled_from([*TAGS, *DIGESTS]), crowd=st.integers(2, 5))
    def crowd(self, place: Place, reference: str, crowd: int) -> None:
        """Some ask for the same thing at once: the registry sees what one of them would cost."""
        self.registry.fault = ""
        _, asked = self._before()
        due = self._due("GET", place, reference)
        # A refusal is not kept, so it is for those who looked before it came: it waits until all of them did.
        self.registry.fault = "slow" if due.number < 0 else ""
        self.slow.clear()

        async def together() -> list[tuple[Any, bytes]]:
            authority = Authority(place[0], 443)
            target = _path(place, reference)
            asking = [asyncio.create_task(self.world.get(target, authority=authority)) for _ in range(crowd)]
            for _ in range(MAX_LOOKS):
                # The index answers in order of asking.
                await self.world.core.store.content(parse_digest(DIGESTS[0]))
            self.slow.set()
            return await asyncio.gather(*asking)

        answers = self.run(together())
        self._agree(self._settle(asked), "")
        for answer, body in answers:
            assert answer.labels.outcome in (due.outcome, Outcome.COLLAPSED, Outcome.HIT)
            assert answer.head.status == due.status
            assert body == BODIES[due.number] if due.number >= 0 else body not in BODIES

    def _settle(self, asked: int) -> list[str]:
        """Wait until nothing is under way; what the registry was asked."""

        async def settle() -> None:
            async with asyncio.timeout(15):
                while self.world.core._engines.tasks:
                    await asyncio.sleep(0.001)
            await self.world.core.store._work.drain()

        self.run(settle())
        assert not [event for event in self.world.events if isinstance(event, StoreFailed)]
        return [f"{each.method} {each.path.rpartition('/')[2]}" for each in self.world.hostile.requests[asked:]]

    def _agree(self, seen: list[str], fault: Fault) -> None:
        """The calls are the model's, whatever their order; a connection that was dropped may be tried anew."""
        if fault in ("drop", "broken"):
            # A body that breaks off again and again is resumed a few times.
            assert len(seen) <= len(self.model.calls) + MAX_RESUMPTIONS
            assert set(seen) == set(self.model.calls), (seen, self.model.calls)
        else:
            assert Counter(seen) == Counter(self.model.calls), (seen, self.model.calls)
        self._note_the_disk()

    def _note_the_disk(self) -> None:
        """What leaves the disk is the store's choice; what lies there was verified."""
        there = {NUMBERS[f"sha256:{path.name}"] for path in self.world.directory.glob("blobs/*/*/*")}
        assert there <= self.model.held
        for number in there:
            hexadecimal = DIGESTS[number].partition(":")[2]
            path = self.world.directory / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal
            assert path.read_bytes() == BODIES[number]
        self.model.held = there

    # The world goes on.

    @rule(place=places)
    def hide_or_show(self, place: Place) -> None:
        """A repository is made private, or public again."""
        self.registry.hidden ^= {place}

    @rule(number=numbers)
    def lose(self, number: int) -> None:
        """The store evicts something."""
        self.run(self.world.core.store.discard(parse_digest(DIGESTS[number])))
        self._note_the_disk()

    @rule(promises=st.sampled_from(PROMISES), size=st.sampled_from([1500, 2048]))
    def reload(self, promises: dict[str, Promise], size: int) -> None:
        async def follow() -> None:
            self.world.reload(tiers(promises), HEAD.format(size=size))
            await self.world.core.store.maintain()

        self.run(follow())
        self.model.promises = promises
        self._note_the_disk()

    @precondition(lambda self: self.edge is not None)
    @rule()
    def restart(self) -> None:
        assert self.edge is not None
        self.run(self.edge.drain(0))
        self.run(self.world.restart())
        self.model.restart()
        self._note_the_disk()
        self._listen()


def _path(place: Place, reference: str) -> str:
    blob = reference in NUMBERS and not is_manifest(NUMBERS[reference])
    return f"/v2/{place[1]}/{'blobs' if blob else 'manifests'}/{reference}"


def _part(part: str, due: Due) -> dict[str, str]:
    """The field that asks for less than all of a body, where one is due."""
    if due.number < 0 or not part:
        return {}
    return {"Range": "bytes=3-9"} if part == "range" else {"If-None-Match": f'"{DIGESTS[due.number]}"'}


def _same(got: Got, due: Due, method: Method, fields: dict[str, str]) -> None:
    """What the client saw is what was due."""
    assert got.outcome is due.outcome, (got, due)
    if due.broken:
        assert got.reply is None, "a body that is not whole never ends well"
        return
    assert got.reply is not None
    body = BODIES[due.number] if due.number >= 0 else b""
    if "Range" in fields:
        assert (got.reply.status, got.reply.body) == (206, body[3:10])
    elif "If-None-Match" in fields:
        assert (got.reply.status, got.reply.body) == (304, b"")
    elif due.number < 0:
        assert got.reply.status == due.status
        assert got.reply.body not in BODIES
    else:
        assert got.reply.status == due.status
        assert got.reply.fields["docker-content-digest"] == DIGESTS[due.number]
        assert got.reply.body == (b"" if method == "HEAD" else body)


def test_the_cache_agrees_with_its_model(soak: float, seed: int) -> None:
    assert len(BLOBS) + len(MANIFESTS) == len(NUMBERS), "each body has a digest of its own"
    state = settings(
        max_examples=round(100 * soak),
        stateful_step_count=20,
        deadline=None,
        derandomize=seed == 1,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Machine, settings=state)
