"""Content by digest: one transfer for many readers, verified before it is whole, linked before it is served."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from regproxy.cache.lookup import MAX_NEGATIVE_BODY
from regproxy.model.address import Authority
from regproxy.model.answer import Ask, BrokenBody, Filling, Reply, Stored
from regproxy.model.event import EntryEvicted, Outcome, StoreFailed
from regproxy.model.message import field
from regproxy.model.oci import MAX_MANIFEST, parse_digest
from tests.cache.world import GHCR, MANIFEST_TYPE, QUAY, World, told, world
from tests.lab.answers import Answer, Generated, blob, manifest, redirect
from tests.lab.images import sha256

BLOB = os.urandom(300_000)
DIGEST = sha256(BLOB)
PATH = f"/v2/a/b/blobs/{DIGEST}"


def test_a_blob_is_fetched_once_and_then_served_from_disk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB))
        answer, body = await world.get(PATH)
        assert (answer.labels.outcome, body) == (Outcome.MISS, BLOB)
        async with asyncio.timeout(5):
            while not isinstance(answer, Stored):
                answer, body = await world.get(PATH)
        assert (answer.labels.outcome, body) == (Outcome.HIT, BLOB)
        assert (await world.ask("HEAD", PATH))[0] == answer
        assert world.asked(PATH) == ["GET"]

    told(story, tmp_path)


def test_fifty_readers_are_one_transfer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        data = Generated(8 << 20, 7)
        path = f"/v2/a/b/blobs/{data.digest}"
        world.hostile.on("quay.io", path, blob(data))
        bodies = await asyncio.gather(*(world.get(path) for _ in range(50)))
        assert {sha256(body) for _, body in bodies} == {data.digest}
        assert world.asked(path) == ["GET"]

    told(story, tmp_path)


def test_wrong_bytes_are_never_whole_and_never_stored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB[:-1] + b"\x00" if BLOB[-1:] != b"\x00" else BLOB[:-1] + b"\x01"))
        answer = await world.core.cache.answer(_ask())
        assert isinstance(answer, Filling)
        with pytest.raises(BrokenBody, match="hash"):
            await world.read(answer)
        assert world.core.store.usage().entries == 0
        assert list((world.directory / "tmp").iterdir()) == []

    told(story, tmp_path)


def test_the_last_64_kib_wait_for_the_digest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, hold=len(BLOB) - 1, gate=gate))
        answer = await world.core.cache.answer(_ask())
        assert isinstance(answer, Filling)
        async with asyncio.timeout(5):
            have = 0
            while have < len(BLOB) - 65536 - 1:
                have = await answer.progress.beyond(have)
        assert have <= len(BLOB) - 65536
        gate.set()
        assert await answer.progress.beyond(have) == len(BLOB)
        os.close(answer.fd)

    told(story, tmp_path)


@pytest.mark.parametrize("broken", [Answer(body=BLOB, cut=1000), Answer(body=BLOB, cut=200_000, reset=True)])
def test_a_transfer_that_breaks_off_for_good_is_a_broken_body(tmp_path: Path, broken: Answer) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, broken, *[Answer(500)] * 3, blob(BLOB))
        answer = await world.core.cache.answer(_ask())
        with pytest.raises(BrokenBody):
            await world.read(answer)
        async with asyncio.timeout(5):
            while (await world.get(PATH))[1] != BLOB:
                await asyncio.sleep(0.01)

    told(story, tmp_path)


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        breaking = [Answer(body=BLOB, cut=at, reset=at > 150_000, ranges=True) for at in (100_000, 100_000, 90_000)]
        world.hostile.on("quay.io", PATH, *breaking, blob(BLOB))
        assert (await world.get(PATH))[1] == BLOB
        ranges = [each.field("range") for each in world.hostile.seen("quay.io", PATH)]
        assert ranges[0] == ""
        assert ranges[1:] == sorted(ranges[1:], key=lambda text: int(text[6:-1]))
        assert len(ranges) == 4

    told(story, tmp_path)


def test_a_rest_that_is_another_rest_is_not_taken(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        wrong = Answer(206, (("Content-Range", f"bytes 7-{len(BLOB) - 1}/{len(BLOB)}"),), BLOB[7:])
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, cut=100_000), wrong)
        with pytest.raises(BrokenBody):
            await world.read(await world.core.cache.answer(_ask()))

    told(story, tmp_path)


def test_an_unknown_length_is_served_and_verified_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, framing="chunked"))
        answer, body = await world.get(PATH)
        assert isinstance(answer, Filling)
        assert (answer.size, body) == (None, BLOB)

    told(story, tmp_path)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_inside_and_only_the_final_answer_is_stored(tmp_path: Path, status: int) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, redirect(status, "https://cdn.quay.io/x?signature=1"))
        world.hostile.on("cdn.quay.io", "/x", blob(BLOB))
        world.hostile.on("cdn.quay.io", "/x?signature=1", blob(BLOB))
        _, body = await world.get(PATH)
        assert body == BLOB
        sent = world.hostile.seen("cdn.quay.io")[0]
        assert sent.field("authorization") == ""

    told(story, tmp_path)


def test_the_same_blob_of_two_registries_is_on_disk_once_and_linked_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for host in ("quay.io", "ghcr.io"):
            world.hostile.on(host, PATH, blob(BLOB))
        await world.get(PATH)
        _, body = await world.get(PATH, authority=GHCR)
        assert body == BLOB
        assert world.asked(PATH, "ghcr.io") == ["GET"]
        async with asyncio.timeout(5):
            while await world.outcome(PATH, authority=GHCR) is not Outcome.HIT:
                await asyncio.sleep(0.01)
        assert world.core.store.usage().entries == 1

    told(story, tmp_path)


def test_a_registry_that_answers_every_head_gets_nobody_elses_bytes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB))
        await world.get(PATH)
        lying = Answer(200, (("Docker-Content-Digest", DIGEST),), b"evil" * 20_000)
        world.hostile.on("ghcr.io", "/v2/*", lying)
        await world.ask("HEAD", PATH, authority=GHCR)
        answer = await world.core.cache.answer(_ask(GHCR))
        with pytest.raises(BrokenBody):
            await world.read(answer)

    told(story, tmp_path)


def test_another_repository_of_the_same_registry_is_asked_by_head(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        other = f"/v2/c/d/blobs/{DIGEST}"
        world.hostile.on("quay.io", PATH, blob(BLOB))
        await world.get(PATH)
        async with asyncio.timeout(5):
            while await world.outcome(PATH) is not Outcome.HIT:
                await asyncio.sleep(0.01)
        assert (await world.get(other))[0].head.status == 404
        world.hostile.on("quay.io", other, blob(BLOB))
        assert (await world.get(other))[1] == BLOB
        assert world.asked(other) == ["HEAD", "HEAD"]

    told(story, tmp_path)


def test_a_digest_that_left_is_asked_for_once_in_a_while(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "tier all { match any; fresh 1m; negative 404 for 10s; }") as running:
            body = b'{"schemaVersion":2}'
            path = f"/v2/a/b/manifests/{running.tag('1', body)}"
            await running.get(path)
            running.hostile.on("quay.io", path, Answer(404))
            for seconds, outcome in ((61, Outcome.MISS), (9, Outcome.NEGATIVE), (2, Outcome.MISS)):
                running.now += seconds
                assert await running.outcome(path) is outcome
            assert running.asked(path) == ["GET", "HEAD", "GET"]

    asyncio.run(story())


@pytest.mark.parametrize("by_tag", [True, False])
def test_what_an_edge_could_not_read_and_nobody_can_remove_is_fetched_again(
    by_tag: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        digest = world.tag("1", b'{"schemaVersion":2}')
        path = f"/v2/a/b/manifests/{'1' if by_tag else digest}"
        await world.get(path)
        assert await world.outcome(path) is Outcome.HIT

        async def refuses(*_: object) -> None:
            raise OSError("no")

        monkeypatch.setattr(type(world.core._engines.store), "discard", refuses)
        world.core.cache.report([StoreFailed("read", "I/O error", parse_digest(digest))])
        assert await world.outcome(path) is Outcome.MISS

    told(story, tmp_path)


@pytest.mark.parametrize(("over", "asked"), [(0, 1), (1, 2)])
def test_an_absence_is_remembered_with_a_body_of_some_size_and_no_more(over: int, asked: int, tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, "tier all { match any; fresh 1m; negative 404 for 10s; }") as running:
            path, body = "/v2/a/b/manifests/1", b"x" * (MAX_NEGATIVE_BODY + over)
            running.hostile.on("quay.io", path, Answer(404, body=body))
            for _ in range(2):
                answer, received = await running.get(path)
                assert (answer.head.status, received) == (404, body)
            assert len(running.asked(path)) == asked

    asyncio.run(story())


def test_no_more_absences_are_remembered_than_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regproxy.cache.lookup.MAX_NEGATIVES", 2)

    async def story(world: World) -> None:
        tags = ["neg1", "neg2", "neg3"]
        for tag in (*tags, *reversed(tags)):
            assert (await world.get(f"/v2/a/b/manifests/{tag}"))[0].head.status == 404
        assert [len(world.asked(f"/v2/a/b/manifests/{tag}")) for tag in tags] == [2, 1, 1]

    told(story, tmp_path)


def test_a_digest_learned_as_a_blob_is_no_manifest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.hostile.on("quay.io", PATH, blob(BLOB))
        await world.get(PATH)
        answer, _ = await world.get(f"/v2/a/b/manifests/{DIGEST}")
        assert answer.head.status == 404

    told(story, tmp_path)


def test_a_manifest_is_verified_before_its_first_byte(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = f"/v2/a/b/manifests/{DIGEST}"
        world.hostile.on("quay.io", path, manifest(b"{}", MANIFEST_TYPE, DIGEST))
        answer, body = await world.get(path)
        assert isinstance(answer, Reply)
        assert answer.head.status == 502
        assert b"hash" in body

    told(story, tmp_path)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}, b"its Content-Type"),
        ({"mediaType": MANIFEST_TYPE, "manifests": [], "layers": []}, b"at once"),
        ({"manifests": [], "config": {}}, b"at once"),
    ],
)
@pytest.mark.parametrize("reference", ["digest", "tag"])
def test_a_manifest_that_may_be_read_in_two_ways_is_refused_and_not_stored(
    reference: str, document: dict[str, object], sentence: bytes, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        data = json.dumps(document).encode()
        digest = world.tag("tag", data)
        path = f"/v2/a/b/manifests/{digest if reference == 'digest' else 'tag'}"
        answer, body = await world.get(path)
        assert answer.head.status == 502
        assert sentence in body
        assert world.core.store.usage().entries == 0

    told(story, tmp_path)


def test_a_manifest_larger_than_4_mib_passes_by_verified(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        large = os.urandom(MAX_MANIFEST + 1)
        path = f"/v2/a/b/manifests/{sha256(large)}"
        world.hostile.on("quay.io", path, Answer(200, (("Content-Type", MANIFEST_TYPE),), large, framing="chunked"))
        answer, body = await world.get(path)
        assert (answer.labels.outcome, body) == (Outcome.PASS, large)
        assert world.core.store.usage().entries == 0
        world.hostile.on("quay.io", path, Answer(200, (), large[::-1], framing="chunked"))
        with pytest.raises(BrokenBody, match="hash"):
            await world.get(path)

    told(story, tmp_path)


def test_what_an_upstream_says_to_browsers_reaches_no_client(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        said = [("Set-Cookie", "a=b"), ("Alt-Svc", 'h3=":443"'), ("Strict-Transport-Security", "max-age=1")]
        world.hostile.on("quay.io", PATH, Answer(200, tuple(said), BLOB))
        async with asyncio.timeout(5):
            answer, _ = await world.get(PATH)
            while answer.labels.outcome is not Outcome.HIT:
                assert {name for name, _ in said} & {name for name, _ in answer.head.fields} == set()
                answer, _ = await world.get(PATH)
        assert {name for name, _ in said} & {name for name, _ in answer.head.fields} == set()

    told(story, tmp_path)


def test_a_reader_that_leaves_does_not_take_the_others_along(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        gate = Event()
        world.hostile.on("quay.io", PATH, Answer(body=BLOB, hold=1000, gate=gate))
        first = asyncio.create_task(world.get(PATH))
        async with asyncio.timeout(5):
            while not world.asked(PATH):
                await asyncio.sleep(0.01)
        second = asyncio.create_task(world.get(PATH))
        await asyncio.sleep(0)
        first.cancel()
        gate.set()
        assert (await second)[1] == BLOB
        assert world.asked(PATH) == ["GET"]

    told(story, tmp_path)


def test_an_algorithm_that_we_cannot_hash_is_relayed_and_not_stored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        path = "/v2/a/b/blobs/blake3:abcdef"
        world.hostile.on("quay.io", path, blob(BLOB))
        answer, body = await world.get(path)
        assert (answer.labels.outcome, body) == (Outcome.PASS, BLOB)
        assert field(answer.head.fields, "content-length") == str(len(BLOB))
        assert world.core.store.usage().entries == 0

    told(story, tmp_path)


def _ask(authority: Authority = QUAY) -> Ask:
    return Ask(authority, "https", "GET", PATH, (), "10.9.8.7")


def test_what_a_served_manifest_lists_outlives_what_comes_after_it(tmp_path: Path) -> None:
    """A pull does not lose its layers half-way, however many other layers come meanwhile."""
    layers = [os.urandom(300_000) for _ in range(5)]
    image = json.dumps({"layers": [{"digest": sha256(layers[0])}]}).encode()

    async def story() -> None:
        async with world(tmp_path, head="cache { size 1MiB; min-free 1B; }") as running:
            running.tag("v1", image)
            for layer in layers:
                running.hostile.on("quay.io", f"/v2/a/b/blobs/{sha256(layer)}", blob(layer))
            await running.get("/v2/a/b/manifests/v1")
            for layer in layers:
                await running.get(f"/v2/a/b/blobs/{sha256(layer)}")
                async with asyncio.timeout(5):
                    while running.core.store.usage().reserved:
                        await asyncio.sleep(0.01)
            assert EntryEvicted(300_000, "size") in running.events
            assert await running.core.store.content(parse_digest(sha256(layers[0]))) is not None
            assert await running.core.store.content(parse_digest(sha256(layers[1]))) is None

    asyncio.run(story())


LIMITED = """
tier small { match kind is blob and repo is "a/b"; fresh forever; max-object 299999B; }
tier exact { match kind is blob and repo is "a/c"; fresh forever; max-object 300000B; }
tier rest { match digest like "*"; fresh forever; }
"""


@pytest.mark.parametrize(
    ("repository", "sized", "head", "stored"),
    [
        ("a/b", True, "", False),
        ("a/c", True, "", True),
        ("a/c", False, "", False),
        ("a/d", False, "", True),
        ("a/d", True, "cache { max-object 100kB; }", False),
        ("a/c", True, "cache { max-object 100kB; }", False),
    ],
)
def test_a_blob_beyond_max_object_is_passed_on_unstored_and_no_failure(
    tmp_path: Path, repository: str, sized: bool, head: str, stored: bool
) -> None:
    async def story() -> None:
        async with world(tmp_path, LIMITED, head) as running:
            path = f"/v2/{repository}/blobs/{DIGEST}"
            whole = blob(BLOB)
            running.hostile.on("quay.io", path, whole if sized else replace(whole, framing="close"))
            _, body = await running.get(path)
            assert body == BLOB
            async with asyncio.timeout(5):
                while running.core.store.usage().reserved:
                    await asyncio.sleep(0.01)
            assert (running.core.store.usage().entries == 1) is stored
            assert [event for event in running.events if isinstance(event, StoreFailed)] == []

    asyncio.run(story())
