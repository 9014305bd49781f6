"""A credential that the policy lends: what it read is for those to whom it is lent, and for nobody else."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from regproxy.app.live import Live
from regproxy.cache.prefetch import Fetched
from regproxy.model.answer import Audience, Forget, Reply, Stored
from regproxy.model.credential_event import CredentialRejected
from regproxy.model.event import Outcome
from regproxy.model.inventory import TagKey
from regproxy.model.oci import parse_digest
from regproxy.model.pull_event import ImageWarmed
from tests.cache.world import GHCR, MANIFEST_TYPE, QUAY, TIERS, World, told
from tests.lab.answers import Answer, Received, blob, manifest
from tests.lab.images import sha256

SECRET = "pa:ss*  w'o\"rd"
ROBOT = 'auth basic for "team/**" { username "robot$a"; password env SECRET; clients "10.1.0.0/16"; %s }'
INSIDE, OTHER_INSIDE, OUTSIDE = "10.1.0.1", "10.1.0.2", "10.2.0.1"
CHALLENGE = ("WWW-Authenticate", 'Basic realm="quay"')
LAYER = b"layer" * 1000
APP = TagKey(QUAY, "team/app", "v1")


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("SECRET", SECRET)
    yield monkeypatch


def basic(password: str, user: str = "robot$a") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class Guard:
    """Who may read which repository of the registry, by Authorization; what is not named is public."""

    rights: dict[str, set[str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, world: World, repository: str, data: bytes = b'{"a":1}', tag: str = "v1") -> str:
        digest = world.tag(tag, data, repository)
        for path, answer in (
            (f"manifests/{tag}", manifest(data, MANIFEST_TYPE, digest)),
            (f"manifests/{digest}", manifest(data, MANIFEST_TYPE, digest)),
            (f"blobs/{sha256(LAYER)}", blob(LAYER)),
            ("tags/list", Answer(body=b'{"tags":["v1"]}', fields=(("Content-Type", "application/json"),))),
        ):
            world.hostile.on("quay.io", f"/v2/{repository}/{path}", self._guarded(repository, answer))
        return digest

    def _guarded(self, repository: str, answer: Answer):  # type: ignore[no-untyped-def]
        def handler(received: Received) -> Answer:
            proof = received.field("authorization")
            self.asked.append((received.method, received.path, proof))
            allowed = self.rights.get(repository)
            return answer if allowed is None or proof in allowed else Answer(401, (CHALLENGE,), b'{"errors":[]}')

        return handler


def guard(*repositories: str) -> Guard:
    return Guard({name: {basic(SECRET)} for name in repositories})


def targets(digest: str, repository: str = "team/app") -> list[tuple[str, str]]:
    paths = ("manifests/v1", f"manifests/{digest}", f"blobs/{sha256(LAYER)}", "tags/list")
    return [(method, f"/v2/{repository}/{path}") for path in paths for method in ("GET", "HEAD")]


async def statuses(world: World, client: str, digest: str, repository: str = "team/app") -> set[int]:
    found = set()
    for method, target in targets(digest, repository):
        answer, _ = await world.ask(method, target, client=client)
        found.add(answer.head.status)
    return found


def test_what_a_credential_read_is_served_to_those_it_is_lent_to_and_to_nobody_else(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = guard("team/app")
        digest = here.put(world, "team/app")
        assert await statuses(world, INSIDE, digest) == {200}
        here.asked.clear()
        for method, target in targets(digest)[:-1]:  # a HEAD of a list is passed on
            answer, _ = await world.ask(method, target, client=OTHER_INSIDE)
            assert answer.labels.outcome is Outcome.HIT, target
        assert here.asked == []
        assert await statuses(world, OUTSIDE, digest) == {401}
        part, body = await world.get(f"/v2/team/app/blobs/{sha256(LAYER)}", ("Range", "bytes=0-9"), client=OUTSIDE)
        assert (part.head.status, LAYER[:9] in body) == (401, False)
        assert {proof for _, _, proof in here.asked} == {""}, "nobody outside ever uses it"

    told(story, tmp_path, more=(ROBOT % "",))


def test_an_edge_repeats_what_was_lent_to_nobody_but_the_caller(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = guard("team/app")
        cases = (("team/app", INSIDE, Audience.CALLER), ("team/open", OUTSIDE, Audience.EVERYONE))
        for repository, client, audience in cases:
            digest = here.put(world, repository)
            for _ in range(2):
                asked = [world.ask(*target, client=client) for target in targets(digest, repository)[:-1]]
                answers = [(await one)[0] for one in asked]
            for answer in answers:
                assert isinstance(answer, Stored | Reply)
                assert (answer.audience, answer.until > world.now) == (audience, True)

    told(story, tmp_path, more=(ROBOT % "",))


def test_a_restart_keeps_what_was_lent_and_a_policy_that_lends_no_more_ends_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = guard("team/app")
        digest = here.put(world, "team/app")
        await statuses(world, INSIDE, digest)
        await world.restart()
        here.asked.clear()
        answer, _ = await world.get(f"/v2/team/app/manifests/{digest}", client=INSIDE)
        assert (answer.labels.outcome, here.asked) == (Outcome.HIT, [])
        forgotten: list[Forget] = []
        world.core.cache.watch(forgotten.append)
        world.blocks = (replace(world.blocks[0], more=(ROBOT.replace("10.1.", "10.7.") % "",)), world.blocks[1])
        world.reload(TIERS)
        assert forgotten == [Forget()]
        assert await statuses(world, INSIDE, digest) == {401}
        assert {proof for _, _, proof in here.asked} == {""}

    told(story, tmp_path, more=(ROBOT % "",))


def test_each_repository_is_read_with_the_credential_that_is_for_it(tmp_path: Path, secret: pytest.MonkeyPatch) -> None:
    secret.setenv("OTHER", "other")
    more = tuple(
        f'auth basic for "{glob}" {{ username "{user}"; password env {name}; clients {clients}; }}'
        for glob, user, name, clients in (
            ("proj-a/**", "a", "SECRET", "private"),
            ("proj-b/*", "b", "OTHER", "private"),
            ("proj-b/**", "c", "SECRET", '"192.0.2.1/32" private'),
        )
    )

    async def story(world: World) -> None:
        rights = {"proj-a/x": "a", "proj-b/x": "b", "proj-b/x/y": "c"}
        here = Guard({name: {basic("other" if user == "b" else SECRET, user)} for name, user in rights.items()})
        for name in rights:
            digest = here.put(world, name)
            assert await statuses(world, "127.0.0.1", digest, name) == {200}, name
            assert await statuses(world, "203.0.113.9", digest, name) == {401}, name
        assert len({proof for _, _, proof in here.asked}) == 4

    told(story, tmp_path, more=more)


def test_a_repository_that_became_private_is_no_longer_public_because_the_credential_still_reads_it(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        here = Guard()
        here.put(world, "team/app")
        path = "/v2/team/app/manifests/v1"
        assert (await world.get(path, client=OUTSIDE))[0].head.status == 200
        here.rights["team/app"] = {basic(SECRET)}
        world.now += 600
        assert (await world.get(path, client=INSIDE))[0].head.status == 200
        new = here.put(world, "team/app", b'{"secret":2}')
        world.now += 600
        answer, body = await world.get(path, client=INSIDE)
        assert sha256(body) == new
        for asked in (path, f"/v2/team/app/manifests/{new}"):
            answer, body = await world.get(asked, client=OUTSIDE)
            assert (answer.head.status, b"secret" in body) == (401, False)

    told(story, tmp_path, more=(ROBOT % "",))


def test_what_is_public_is_everyones_though_a_credential_read_it_first(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = guard("team/app")
        digest = here.put(world, "team/app")
        await statuses(world, INSIDE, digest)
        here.rights.clear()
        here.asked.clear()
        assert await statuses(world, OUTSIDE, digest) == {200}
        assert all(method == "HEAD" or "/tags/" in path or path.endswith("v1") for method, path, _ in here.asked), (
            "the bytes came from the same registry: no more than a HEAD is needed"
        )

    told(story, tmp_path, more=(ROBOT % "",))


def test_once_the_credential_is_refused_public_pulls_go_on_stored_ones_are_stale_and_the_rest_says_why(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        here = guard("team/app", "team/cold")
        here.put(world, "team/app")
        here.put(world, "team/cold", b'{"cold":1}')
        here.put(world, "team/open", b'{"open":1}')
        await world.get("/v2/team/app/manifests/v1", client=INSIDE)
        for repository in ("team/app", "team/cold"):
            here.rights[repository] = {basic("renewed")}
        world.now += 600
        stale, body = await world.get("/v2/team/app/manifests/v1", client=INSIDE)
        assert (stale.labels.outcome, body) == (Outcome.STALE, b'{"a":1}')
        public, body = await world.get("/v2/team/open/manifests/v1", client=INSIDE)
        assert (public.labels.outcome, body) == (Outcome.MISS, b'{"open":1}')
        cold, body = await world.get("/v2/team/cold/manifests/v1", client=INSIDE)
        assert cold.head.status == 502
        assert b"the proxy's credential for quay (env SECRET, read at " in body
        assert b" was rejected at 13:56:40 UTC (401)" in body
        assert SECRET.encode() not in body
        outside, _ = await world.get("/v2/team/app/manifests/v1", client=OUTSIDE)
        assert outside.head.status == 401, "stale is for those who could read it fresh"

    told(story, tmp_path, more=(ROBOT % "",))


def test_on_reject_fail_asks_no_stranger(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = Guard({"team/app": {basic("renewed")}})
        here.put(world, "team/app")
        cold, _ = await world.get("/v2/team/app/manifests/v1", client=INSIDE)
        assert cold.head.status == 502
        assert [proof for _, _, proof in here.asked] == ["", basic(SECRET)], "the first one taught the challenge"

    told(story, tmp_path, more=(ROBOT % "on-reject fail;",))


def test_a_registry_of_another_block_never_sees_the_credential(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("ghcr.io", "/v2/team/app/manifests/v1", Answer(401, (CHALLENGE,)))
        answer, _ = await world.get("/v2/team/app/manifests/v1", authority=GHCR, client=INSIDE)
        assert answer.head.status == 401
        assert {one.field("authorization") for one in world.hostile.seen("ghcr.io")} == {""}

    told(story, tmp_path, more=(ROBOT % "",))


def test_a_client_that_is_lent_a_credential_is_not_asked_for_a_password(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", "/v2/", Answer(401, (CHALLENGE,)))
        schemes = [(await world.get("/v2/", client=one))[0].head.get("www-authenticate") for one in (INSIDE, OUTSIDE)]
        assert [str(scheme).partition(" ")[0] for scheme in schemes] == ["Bearer", "Basic"]

    told(story, tmp_path, more=(ROBOT % "",))


def test_a_private_image_is_kept_warm_by_the_credential_that_is_lent_and_no_client_has_to_come(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = guard("team/app")
        layer = {"digest": sha256(LAYER), "size": len(LAYER)}
        first, second = (json.dumps({"layers": [layer], "schemaVersion": 2, "n": n}).encode() for n in (1, 2))
        here.put(world, "team/app", first)
        await world.core.cache.warming.step()
        warmed = [event for event in world.events if isinstance(event, ImageWarmed)]
        assert [(one.contents, one.failure) for one in warmed] == [(2, "")]
        here.asked.clear()
        answer, body = await world.get("/v2/team/app/manifests/v1", client=INSIDE)
        assert (answer.labels.outcome, body, here.asked) == (Outcome.HIT, first, [])
        outside, _ = await world.get("/v2/team/app/manifests/v1", client=OUTSIDE)
        assert outside.head.status == 401
        moved = here.put(world, "team/app", second)
        assert (await world.core.cache.purging.refresh(APP)).after == parse_digest(moved)
        world.now += 60
        assert (await world.get("/v2/team/app/manifests/v1", client=INSIDE))[1] == second
        await world.core.cache.purging.restore(APP, None)
        assert (await world.get("/v2/team/app/manifests/v1", client=INSIDE))[1] == first
        live = Live(world.core.cache, lambda: world.policy)
        told = [await live.explain("quay.io/team/app:v1", "GET", client, "") for client in ("", INSIDE, OUTSIDE)]
        assert [one["stored"]["stored"] for one in told] == ["stored", "stored", "nothing"]  # type: ignore[index]

    told(story, tmp_path, head='warm one { images "quay.io/team/app:v1"; every 10m; }', more=(ROBOT % "",))


def test_the_proxys_own_requests_pass_where_clients_need_leave_or_a_login(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        guard("team/app").put(world, "team/app")
        refused = [
            (await world.get("/v2/team/app/manifests/v1", client=one))[0].head.status for one in (INSIDE, OUTSIDE)
        ]
        assert refused == [401, 403]
        fetched = Fetched()
        await world.core.cache.prefetch.run(APP, None, fetched)
        assert fetched.contents == 1

    head = f'client-group ci {{ address "{INSIDE}"; }} access {{ allow ci; }}'
    told(story, tmp_path, head=head, more=(ROBOT % "", "client-auth required;"))


def test_a_refusal_is_told_once_with_its_place_and_without_the_secret(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        here = Guard({"team/app": {basic("renewed")}})
        here.put(world, "team/app")
        for _ in range(3):
            await world.get("/v2/team/app/manifests/v1", client=INSIDE)
            await world.get("/v2/team/app/manifests/v1", client=OUTSIDE)
        (told,) = (event for event in world.events if isinstance(event, CredentialRejected))
        assert (told.registry, told.authority, told.account) == ("quay", "quay.io", "basic robot$a")
        assert "(env SECRET, read at " in told.detail
        assert SECRET not in repr(told)

    told(story, tmp_path, more=(ROBOT % "",))


def test_what_everyone_may_use_is_named(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert world.policy.exposed == ("quay",)

    told(story, tmp_path, more=((ROBOT % "").replace('"10.1.0.0/16"', "any"),))
