"""Caller, address, repository, method, state, by chance: nothing private reaches who may not read it; who may, reads.

The core is real, its store too; the registries are a table of who may read what, and say so when they are asked.
"""

import asyncio
import hashlib
import json
import math
import os
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from regproxy.cache.answer import Cache
from regproxy.cache.local_token import GRACE_SECONDS, TOKEN_SECONDS, LocalTokens
from regproxy.cache.lookup import Engines
from regproxy.model.account import ANONYMOUS, Account, Credential, Lent, Own
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, BrokenBody, Filling, Reply, Stored, Streaming
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.event import Event
from regproxy.model.login import BearerToken, Password
from regproxy.model.message import Fields, Head
from regproxy.model.oci import parse_digest
from regproxy.model.registry import Registry
from regproxy.policy.load import load
from regproxy.policy.source import Source
from regproxy.settings.files import PolicyFiles
from regproxy.store import content
from regproxy.store.content import Store
from regproxy.store.index import Index, Tables
from regproxy.upstream.failure import Rejected, UpstreamFailed
from regproxy.upstream.limited import OwnAnswer
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.session import OpenTransfer
from tests.cache.world import GHCR, MANIFEST_TYPE, QUAY, SEAL
from tests.lab.images import sha256
from tests.lab.vault import basic

T = TypeVar("T")

CASES = 1_000_000
# Credentials are lent by repository and by client; what of them is refused upstream goes on without, or fails.
POLICY = """policy 1;
registry quay {
    hosts "quay.io";
    auth basic for "t/private" "t/public" { username "robot"; password env ROBOT; clients "10.1.0.0/16"; }
    auth basic for "t/other" { username "strict"; password env STRICT; clients "10.2.0.0/16"; on-reject fail; }
    auth basic { username "other"; password env OTHER; clients "10.2.0.0/16"; }
}
registry ghcr { hosts "ghcr.io"; }
defaults { stale if-error 7d on $outage; recheck 1h; stale auth 4h; }
tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier tags { match kind is manifest; fresh 20m; }
tier lists { match kind is tags; fresh 20m; }
tier rest { match any; pass; }
"""
RECHECK, STALE_AUTH = 3600.0, 4 * 3600.0
Place = tuple[Authority, str]
PRIVATE, OTHER, PUBLIC, ELSEWHERE = (QUAY, "t/private"), (QUAY, "t/other"), (QUAY, "t/public"), (GHCR, "t/private")
PLACES: tuple[Place, ...] = (PRIVATE, OTHER, PUBLIC, ELSEWHERE)
NOBODY = ""
PASSWORDS = {"alice": "a", "bob": "b", "carol": "c"}
ROBOTS = {"robot": "r", "strict": "s", "other": "o"}
READERS = {PRIVATE: {"alice", "robot"}, OTHER: {"alice", "bob", "strict"}, PUBLIC: {NOBODY}, ELSEWHERE: {"carol"}}
OUTSIDE, FIRST, SECOND = "10.9.0.1", "10.1.0.1", "10.2.0.1"
LENT = {
    **{(FIRST, place): "robot" for place in (PRIVATE, PUBLIC)},
    **{(SECOND, place): "other" for place in (PRIVATE, PUBLIC)},
    (SECOND, OTHER): "strict",
}
EVENTS = "time time time long outage up up revoke give fly login hide robots shy".split()
FORGED = "eyJhbGciOiJub25lIn0.eyJhY2Nlc3MiOlt7InR5cGUiOiJyZXBvc2l0b3J5In1dfQ."


def contents(place: Place, version: int = 0) -> dict[str, bytes]:
    """What a repository holds, by reference."""
    manifest = json.dumps({"schemaVersion": 2, "of": f"{place} {version}"}).encode()
    blob = f"blob of {place} {version}".encode() * 50
    kept = {"manifests/1.0": manifest, f"manifests/{sha256(manifest)}": manifest, f"blobs/{sha256(blob)}": blob}
    return {**kept, "tags/list": json.dumps({"name": place[1], "tags": [f"{place} {version}"]}).encode()}


@dataclass
class Registries:
    """Upstream, as the cache sees it: a table. `said` is when a reader last got something, for the oracle.

    `rejected` are robots whose password was changed; `hides`: to whoever may not read it says 404.
    """

    clock: "Clock"
    readers: dict[Place, set[str]] = field(default_factory=dict)
    held: dict[Place, dict[str, bytes]] = field(default_factory=dict)
    said: dict[tuple[str, Place], float] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    hides: bool = False
    down: bool = False
    gate: asyncio.Event | None = None

    def user(self, account: Account) -> str:
        match account:
            case Own(login=Password(user=user, password=password)) if PASSWORDS.get(user) == password:
                return user
            case Own(login=BearerToken(token="theirs-of-alice")):
                return "alice"
            case Own():
                raise Rejected("no such login", 401)
            case Lent(credential=Credential(login=Password(user=user))):
                if user in self.rejected:
                    raise Rejected("no such robot", 401)
                return user
            case _:
                return NOBODY

    def may(self, user: str, place: Place) -> bool:
        return bool(self.readers[place] & {user, NOBODY})

    def _answer(self, request: UpstreamRequest, repository: str, account: Account) -> tuple[Head, bytes, Account]:
        """As the real one does: what is public is read without a lent credential that is refused."""
        if self.down:
            raise UpstreamFailed(FailureClass.CONNECT, "no answer")
        try:
            return *self._told(request, repository, self.user(account)), account
        except Rejected:
            if not isinstance(account, Lent) or account.credential.on_reject != "anonymous":
                raise
            head, body = self._told(request, repository, NOBODY)
            if head.status in (401, 403, 404):
                raise
            return head, body, ANONYMOUS

    def _told(self, request: UpstreamRequest, repository: str, user: str) -> tuple[Head, bytes]:
        place = request.authority, repository
        if place not in self.readers or not self.may(user, place):
            return Head(404 if self.hides else 401), b""
        self.said[user, place] = self.clock.now
        target = request.target.partition("?")[0]
        kind, reference = target.removeprefix(f"/v2/{repository}/").split("/", 1)
        body = self.held[place].get(f"{kind}/{reference}")
        if body is None:
            return Head(404), b""
        fields: Fields = (("Content-Type", MANIFEST_TYPE if kind == "manifests" else "application/octet-stream"),)
        if kind != "tags":
            fields = (*fields, ("Docker-Content-Digest", sha256(body)))
        return Head(200, (*fields, ("Content-Length", str(len(body))))), body

    async def fetch(
        self, request: UpstreamRequest, repository: str, limit: int, account: Account = ANONYMOUS
    ) -> tuple[Head, bytes, Account]:
        head, body, proved = self._answer(request, repository, account)
        return head, b"" if request.method == "HEAD" else body, proved

    async def open(
        self, request: UpstreamRequest, repository: str, sink: BodySink, account: Account = ANONYMOUS
    ) -> OpenTransfer:
        head, body, proved = self._answer(request, repository, account)
        answer = Gated(head, b"" if request.method == "HEAD" else body, sink, self.gate if head.status == 200 else None)
        return OpenTransfer(head, request, answer, proved)

    async def challenge(self, registry: Registry, authority: Authority, scheme: str) -> Challenge:
        return Challenge("bearer", f"https://{authority.name}/token", authority.name)

    def renew(self, account: Account, place: Place | None = None) -> None:
        """Nothing is kept here."""

    def counts_pulls(self, request: UpstreamRequest, account: Account = ANONYMOUS) -> bool:
        return False


class Inline(Index):
    """The index on the loop's own thread: to wait for another one would be most of what a case costs."""

    async def open(self, *, check: bool) -> str | None:
        return self._open(check)

    async def run(self, work: Callable[[Tables], T]) -> T:
        return self._run(work)

    async def close(self) -> None:
        self._close()


class Gated(OwnAnswer):
    """An answer whose body waits for a gate."""

    def __init__(self, head: Head, body: bytes, sink: BodySink, gate: asyncio.Event | None) -> None:
        self._gate = gate
        super().__init__(head, body, sink)

    async def finished(self) -> None:
        if self._gate is not None:
            await self._gate.wait()
        await super().finished()


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Who:
    """A way to ask: the user whose proof it is, to whom it is proved, and where and how it counts."""

    name: str
    user: str
    fields: Fields
    scope: Place | None = None
    rejected: bool = False
    until: float = math.inf

    def counts(self, place: Place, now: float) -> bool:
        """Whether it is a login there, good or not; who brings none may be lent one."""
        return (self.rejected or self.user != NOBODY) and self.scope in (None, place) and now < self.until


class Matrix:
    """The core, the clock, and the dice."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.registries = Registries(self.clock)
        self.registries.readers = {place: set(users) for place, users in READERS.items()}
        self.registries.held = {place: contents(place) for place in PLACES}
        self.tokens = LocalTokens(lambda: SEAL, self.clock)
        # What the public repository ever had, and what of it was there when it was public.
        self.had = {sha256(body) for body in self.registries.held[PUBLIC].values()}
        self.open_once = set(self.had)
        self.opened_at = 0.0
        self.seen: Counter[str] = Counter()
        self.flown = 0

    async def open(self) -> None:
        loaded = load(Source("matrix.policy", POLICY), {}, PolicyFiles(Path("matrix.policy")))
        policy = loaded.policy
        assert policy is not None, loaded.diagnostics
        self.events: list[Event] = []
        self.store = await Store.open(self.directory, policy.cache, self.clock, self.events.append)
        self.engines = Engines(self.store, self.registries, self.clock, self.events.append)  # type: ignore[arg-type]
        self.cache = Cache(self.engines, lambda: policy, lambda: SEAL)
        self._log_in()

    async def close(self) -> None:
        await self.engines.close()
        await self.store.close()

    def _log_in(self) -> None:
        """New tokens, as clients get them for each pull; those of before run out."""
        self.callers = list(self._callers())

    def _callers(self) -> Iterator[Who]:
        yield Who("nobody", NOBODY, ())
        yield Who("our anonymous token", NOBODY, (("Authorization", "Bearer regproxy-anonymous.v1"),))
        until = self.clock.now + TOKEN_SECONDS + GRACE_SECONDS
        for user, password in PASSWORDS.items():
            yield Who(f"{user} by Basic", user, (basic(user, password),))
            for place in PLACES:
                token = self.tokens.issue(place[0], Password(user, password), f"repository:{place[1]}:pull")
                yield Who(f"{user} by a token", user, (("Authorization", f"Bearer {token}"),), place, until=until)
        wrong = self.tokens.issue(QUAY, Password("alice", "wrong"), "repository:t/private:pull")
        bearing: Fields = (("Authorization", f"Bearer {wrong}"),)
        yield Who("a wrong password in a token", NOBODY, bearing, PRIVATE, rejected=True, until=until)
        yield Who("a wrong password", NOBODY, (basic("alice", "wrong"),), rejected=True)
        yield Who("a forged token", NOBODY, (("Authorization", f"Bearer {FORGED}"),), rejected=True)
        yield Who("a broken token", NOBODY, (("Authorization", f"Bearer {wrong[:-4]}AAAA"),))
        yield Who("the registry's own token", "alice", (("Authorization", "Bearer theirs-of-alice"),))

    # One case.

    def case(self) -> tuple[Who, Place, str, str, Fields]:
        """Who asks where for what, how, and with which conditions."""
        who, place = self.dice.choice(self.callers), self.dice.choice(PLACES)
        owner = self.dice.choice([place, place, place, *PLACES])
        reference = self.dice.choice(list(self.registries.held[owner]))
        if reference in ("manifests/1.0", "tags/list"):
            owner = place
        method = self.dice.choice(["GET", "GET", "HEAD"])
        condition: Fields = self.dice.choice(
            [
                (),
                (),
                (),
                (("Range", "bytes=0-3"),),
                (("If-None-Match", f'"{reference.rpartition("/")[2]}"'),),
                (("Cache-Control", "only-if-cached"),),
            ]
        )
        return who, place, reference, method, condition

    async def ask(self, who: Who, place: Place, reference: str, method: str, condition: Fields) -> None:
        authority, repository = place
        client = self.dice.choice([OUTSIDE, FIRST, SECOND])
        fields = (*who.fields, ("Accept", "*/*"), *condition)
        ask = Ask(authority, "https", method, f"/v2/{repository}/{reference}", fields, client)
        answer = await self.cache.answer(ask)
        body = await self.read(answer)
        status = answer.head.status
        held = self.registries.held[place].get(reference)
        where = f"{who.name} at {client} {method} {authority.name}/{repository}/{reference} {condition}: {status}"
        identified = who.counts(place, self.clock.now)
        user = who.user if identified else LENT.get((client, place), NOBODY)
        if status == 200:
            assert held is not None, f"{where}, which is not there"
            told = str(answer.digest) if isinstance(answer, Stored) else answer.head.get("docker-content-digest")
            assert self.entitled(user, place, told or sha256(body)), f"{where}, which is private"
            assert not isinstance(answer, Stored | Reply) or self._until(user, place, answer.until), where
        else:
            assert not body or (b"blob of" not in body and b'"of"' not in body), where
        # Where logins read and strangers were refused, strangers hear of the change as late as others of theirs.
        late = user == NOBODY and place == PUBLIC and self.clock.now - self.opened_at < RECHECK
        expected = self.reads(user, place) and held is not None and not late
        if expected and not (condition or (identified and who.rejected)):
            assert status == 200, f"{where}, which it may read"
            if method == "GET" and body:
                assert body == held, where
        self.seen[f"{'public' if NOBODY in READERS[place] else 'private'} {status}"] += 1
        if user in ROBOTS:
            self.seen[f"lent {status}"] += 1

    def reads(self, user: str, place: Place) -> bool:
        """Whether the registry would let this user read there now, and is heard."""
        if self.registries.down:
            return False
        if user in self.registries.rejected:
            return self.registries.may(NOBODY, place) and user != "strict"
        return self.registries.may(user, place)

    def _until(self, user: str, place: Place, until: float) -> bool:
        """Whether an edge repeats the answer no longer than the grant lasts."""
        said = self.registries.said
        return until <= max(said.get((one, place), -math.inf) for one in (user, NOBODY)) + RECHECK or until == 0.0

    def entitled(self, user: str, place: Place, digest: str) -> bool:
        """What the registry says, or said not long ago to this very user or to strangers; in an outage, longer ago.

        What was public then is so while nobody can be asked, as is what was lent to this user. That a robot is rejected
        is a failure of the proxy, and no word on who may read: an outage for those who are lent it.
        """
        registries = self.registries
        if self.reads(user, place):
            return True
        at, opened = registries.said.get((user, place)), registries.said.get((NOBODY, place))
        silent = registries.down or user in registries.rejected
        if opened is not None and digest in self.open_once and (silent or self.clock.now - opened < RECHECK):
            return True
        if at is None or user == NOBODY:
            return False
        if user in ROBOTS and silent:
            return True
        return self.clock.now - at < RECHECK + (STALE_AUTH if registries.down else 0.0)

    async def read(self, answer: Answer) -> bytes:
        match answer:
            case Reply(body=body):
                return body
            case Stored():
                return b""  # its head says which content it is, and only the head is looked at
            case Filling(fd=fd, progress=progress):
                progress.leave()
                os.close(fd)
                return b""
            case Streaming(fd=fd, ending=ending):
                with socket.socket(fileno=fd) as stream:
                    stream.setblocking(False)
                    data = bytearray()
                    while chunk := await asyncio.get_running_loop().sock_recv(stream, 1 << 16):
                        data += chunk
                    try:
                        await ending.wait()
                    except BrokenBody:
                        return b""
                    return bytes(data)

    # States.

    async def turn(self) -> None:
        """Something happens: time, an outage, a right that is taken or given, a restart."""
        event = self.dice.choice(EVENTS)
        match event:
            case "time":
                self.clock.now += self.dice.choice([1, 60, 600, 1800])
            case "long":
                self.clock.now += self.dice.choice([RECHECK, 3 * RECHECK, 6 * RECHECK])
            case "outage":
                self.registries.down = True
            case "up":
                self.registries.down = False
            case "revoke":
                place = self.dice.choice([PRIVATE, OTHER, ELSEWHERE])
                self.registries.readers[place].discard(self.dice.choice([*PASSWORDS, *ROBOTS]))
            case "shy":
                self.registries.hides = not self.registries.hides
            case "robots":
                self.registries.rejected = set(self.dice.sample(sorted(ROBOTS), self.dice.choice([0, 0, 1, 2])))
            case "give":
                place = self.dice.choice(PLACES)
                self.registries.readers[place] = set(READERS[place])
                if place == PUBLIC:
                    self.opened_at = self.clock.now
                    self.open_once |= self.had
            case "hide" if not self.registries.down:
                await self.hide()
            case "fly" if not self.registries.down:
                await self.fly()
            case _:
                self._log_in()

    async def hide(self) -> None:
        """The public repository becomes private, and then gets something that never was public; all ask for it."""
        self.flown += 1
        self.clock.now += 1
        self.registries.readers[PUBLIC] = {"alice", *self.dice.choice([(), ("robot",), ("robot", "other")])}
        self.registries.held[PUBLIC] = contents(PUBLIC, self.flown)
        self.had |= {sha256(body) for body in self.registries.held[PUBLIC].values()}
        self.clock.now += 1
        self._log_in()
        alice = next(who for who in self.callers if who.user == "alice")
        reference = self.dice.choice(list(self.registries.held[PUBLIC]))
        for who in (alice, *self.dice.sample(self.callers, len(self.callers))):
            await self.ask(who, PUBLIC, reference, self.dice.choice(["GET", "HEAD"]), ())

    async def fly(self) -> None:
        """A private layer is on its way for one caller, and all others ask for it meanwhile."""
        place, leader = self.dice.choice([(PRIVATE, "alice"), (OTHER, "bob"), (ELSEWHERE, "carol")])
        self.flown += 1
        blob = hashlib.sha256(f"{self.flown}".encode()).hexdigest().encode() * 2000
        reference = f"blobs/{sha256(blob)}"
        self.registries.readers[place].add(leader)
        self._log_in()
        self.registries.gate = asyncio.Event()
        held = self.registries.held[place]
        self.registries.held[place] = {**held, reference: blob}
        leading = next(who for who in self.callers if who.user == leader and who.counts(place, self.clock.now))
        ask = Ask(place[0], "https", "GET", f"/v2/{place[1]}/{reference}", leading.fields, "10.0.0.1")
        first = await self.cache.answer(ask)
        assert isinstance(first, Filling)
        for who in self.callers:
            await self.ask(who, place, reference, self.dice.choice(["GET", "HEAD"]), ())
        self.registries.gate.set()
        self.registries.gate = None
        while await first.progress.beyond(len(blob) - 1) < len(blob):
            pass
        await self.read(first)
        while self.engines.tasks:
            await asyncio.gather(*self.engines.tasks, return_exceptions=True)
        await self.store.discard(parse_digest(sha256(blob)))
        self.registries.held[place] = held


def test_nothing_private_reaches_who_may_not_read_it(
    tmp_path: Path, soak: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "Index", Inline)
    for name, password in ROBOTS.items():
        monkeypatch.setenv(name.upper(), password)
    cases = int(CASES * soak)

    async def story() -> None:
        matrix = Matrix(tmp_path / "cache", seed)
        await matrix.open()
        try:
            while matrix.seen.total() < cases:
                await matrix.turn()
                for _ in range(matrix.dice.choice([20, 40, 80])):
                    await matrix.ask(*matrix.case())
        finally:
            await matrix.close()
        words = "private 200,private 401,private 404,private 503,private 504,public 200,lent 200,lent 401,lent 502"
        for word in words.split(","):
            assert matrix.seen[word] > cases / 1000, (word, matrix.seen)

    asyncio.run(story())
