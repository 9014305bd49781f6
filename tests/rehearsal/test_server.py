"""What is rehearsed is what the server does: each case is told to both, and outcome, status and requests compared."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.policy.scenario import Circumstances, Gone, Stored, Working
from regproxy.rehearsal.happening import happen
from regproxy.rehearsal.reference import rehearse_target
from tests.cache.world import GHCR, MANIFEST_TYPE, QUAY, World, world
from tests.lab.answers import Answer, Handler, Received, manifest, pull_limited
from tests.lab.images import sha256

TIERS = """
defaults { revalidate head within 2s; stale if-error 1h on [error, 429, 503]; }
tier pinned { match kind in [manifest, blob] and digest like "*"; fresh 5m; negative 404 for 10s; }
tier etag { match tag is etag; fresh 5m; revalidate etag; }
tier swr { match tag is swr; fresh 5m; stale while-revalidate 30m; }
tier patient { match tag is patient; fresh 5m; revalidate full; stale if-error 1h on [404, 503]; negative 404 for 10s; }
tier banned { match tag is banned; deny 451 "no"; }
tier passed { match tag is passed; pass; }
tier tags { match kind is manifest; fresh 5m; }
tier lists { match kind in [tags, referrers]; fresh 5m; }
tier rest { match any; pass; }
"""
DIGEST = "sha256:" + "a" * 64
ODD = "blake3:" + "a" * 64
TAGS = ("etag", "swr", "patient", "banned", "passed", "plain")
STORING = ("etag", "swr", "patient", "plain", "manifest", "blob", "list", "referrers")
UPSTREAM = (Working.SAME, Working.MOVED, FailureClass.CONNECT, 403, 404, 429, 503)
KINDS = (*TAGS, "manifest", "blob", "odd", "list", "referrers", "catalog", "upload", "web")


@dataclass(frozen=True, slots=True)
class Case:
    """One request; `kind` is a tag or what else is asked for, `number` makes its repository its own."""

    number: int
    kind: str
    method: str
    given: Circumstances

    @property
    def authority(self) -> Authority:
        """A registry that counts pulls, or one that does not."""
        return GHCR if self.given.quota_exhausted else QUAY

    @property
    def repository(self) -> str:
        return f"case/n{self.number}"

    @property
    def old(self) -> bytes:
        return b'{"schemaVersion":2,"n":%d}' % self.number

    @property
    def new(self) -> bytes:
        return b'{"schemaVersion":2,"moved":%d}' % self.number

    @property
    def target(self) -> str:
        match self.kind:
            case "manifest":
                return f"/v2/{self.repository}/manifests/{sha256(self.old)}"
            case "blob":
                return f"/v2/{self.repository}/blobs/{sha256(self.old)}"
            case "odd":
                return f"/v2/{self.repository}/blobs/{ODD}"
            case "list":
                return f"/v2/{self.repository}/tags/list"
            case "referrers":
                return f"/v2/{self.repository}/referrers/{DIGEST}"
            case "catalog":
                return f"/v2/_catalog?n={self.number + 1}"
            case "upload":
                return f"/v2/{self.repository}/blobs/uploads/"
            case "web":
                return f"/web/{self.number}"
            case tag:
                return f"/v2/{self.repository}/manifests/{tag}"


def cases() -> Iterator[Case]:
    numbers = itertools.count()
    for kind, method in itertools.product(KINDS, ("GET", "HEAD")):
        for given in _given(stores=kind in STORING):
            possible = not (isinstance(given.stored, Gone) and kind in ("list", "referrers"))
            if possible and (given.upstream is not Working.SLOW or method == "GET"):
                yield Case(next(numbers), kind, method, given)
    for kind in ("plain", "manifest", "list", "upload"):
        yield Case(next(numbers), kind, "DELETE", Circumstances())


def _given(*, stores: bool) -> Iterator[Circumstances]:
    """What is fresh or remembered depends on nothing else."""
    for stored in (None, Stored(400), Stored(7200), Gone(30)) if stores else (None,):
        yield from (Circumstances(stored, upstream) for upstream in UPSTREAM)
        yield from (Circumstances(stored, upstream, True) for upstream in (Working.SAME, Working.MOVED))
    if stores:
        yield from (
            Circumstances(Stored(400), Working.SLOW),
            Circumstances(Stored(10), 503),
            Circumstances(Gone(5), 503),
        )


def _good(case: Case, body: bytes) -> Answer:
    return manifest(body, MANIFEST_TYPE, sha256(body))


def _script(case: Case, late: Event) -> Handler:
    given = case.given

    def answer(received: Received) -> Answer:
        is_manifest = "/manifests/" in received.path
        if given.quota_exhausted and is_manifest and received.method == "GET":
            return pull_limited()
        if given.quota_exhausted and is_manifest:
            good = _good(case, case.new if given.upstream is Working.MOVED and case.kind in TAGS else case.old)
            return replace(good, fields=(*good.fields, *pull_limited().fields[1:]))
        match given.upstream:
            case int() as status:
                return Answer(status)
            case Working.SLOW:
                late.wait(4)
                return _good(case, case.old)
            case Working.MOVED if case.kind in TAGS or case.kind in ("list", "referrers"):
                return _good(case, case.new)
            case _:
                return _good(case, case.old)

    return answer


async def _prepare(running: World, case: Case) -> None:
    """Let the server store what the case says, long enough ago; what the case before it was limited by is over."""
    running.now += 6 * 3600
    await running.get(f"/v2/{case.repository}/manifests/probe", authority=case.authority)
    path = case.target.partition("?")[0]
    match case.given.stored:
        case Stored(age):
            running.hostile.on(case.authority.name, path, _good(case, case.old))
            await running.get(case.target, authority=case.authority)
            await _rest(running)
            running.now += age
        case Gone(age):
            if case.kind in TAGS:
                running.hostile.on(case.authority.name, path, _good(case, case.old))
                await running.get(case.target, authority=case.authority)
                running.now += 3601
            running.hostile.on(case.authority.name, path, Answer(404))
            await running.get(case.target, authority=case.authority)
            running.now += age
        case None:
            pass


async def _rest(running: World) -> None:
    """A blob is stored after its last byte was sent."""
    while running.core._engines.tasks:
        await asyncio.sleep(0.001)


async def _told(running: World, case: Case, late: Event) -> tuple[str, int, tuple[str, ...]]:
    """What the server does: outcome, status, and the methods with which the registry was asked.

    A slow registry answers when the client has its answer, or after four seconds; any other has two, which a busy
    machine may need.
    """
    await _prepare(running, case)
    script = _script(case, late)
    for path in (case.target.partition("?")[0], f"/v2/{case.repository}/manifests/{sha256(case.new)}"):
        running.hostile.on(case.authority.name, path, script)
    before = len(running.hostile.requests)
    failing = isinstance(case.given.upstream, FailureClass)
    if failing:
        running.hostile.stop()
    late.clear()
    answer, _ = await running.ask(case.method, case.target, authority=case.authority)
    late.set()
    if failing:
        running.hostile.start()
    asked = tuple(received.method for received in running.hostile.requests[before:])
    await _rest(running)
    return str(answer.labels.outcome), answer.head.status, asked


def _rehearsed(running: World, case: Case) -> tuple[str, int | None, tuple[str, ...]]:
    found = happen(
        running.policy, rehearse_target(running.policy, case.authority, case.target, case.method), case.given
    )
    # A registry that is down hears nothing; one that is asked behind the client's back hears it sooner or later.
    heard = () if isinstance(case.given.upstream, FailureClass) else found.asked
    return str(found.outcome), found.status, heard


def test_where_the_origin_decides_its_fields_make_the_difference_and_nothing_is_rehearsed(tmp_path: Path) -> None:
    tiers = "tier web { match kind in [other, tags]; fresh origin; } tier rest { match any; pass; }"

    async def story() -> None:
        async with world(tmp_path, tiers) as running:
            for target, said, outcome in (
                ("/web/kept", "max-age=60", "hit"),
                ("/web/not", "no-store", "pass"),
                ("/v2/a/b/tags/list", "max-age=60", "hit"),
            ):
                running.hostile.on("quay.io", target, Answer(200, (("Cache-Control", said),), b"x"))
                rehearsed = happen(
                    running.policy, rehearse_target(running.policy, QUAY, target, "GET"), Circumstances()
                )
                assert (rehearsed.outcome, rehearsed.plan) == (None, None)
                assert [await running.outcome(target) for _ in range(2)][1] == outcome
            deleted = happen(running.policy, rehearse_target(running.policy, QUAY, "/web/x", "DELETE"), Circumstances())
            assert deleted.outcome == "pass"

    asyncio.run(story())


def test_what_is_rehearsed_is_what_the_server_does(tmp_path: Path, soak: float, seed: int) -> None:
    every = tuple(cases())
    some = random.Random(seed).sample(every, int(len(every) * soak))

    async def story() -> None:
        late = Event()
        different = {}
        async with world(tmp_path, TIERS) as running:
            for case in some:
                rehearsed, told = _rehearsed(running, case), await _told(running, case, late)
                if rehearsed != (told if rehearsed[0] != "swr" else (*told[:2], ())):
                    different[case] = f"rehearsed {rehearsed}, the server {told}"
        assert different == {}

    asyncio.run(story())
