"""Trouble with the disk never breaks a pull, not even the first one of what turns out not to fit."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.e2e.conftest import Images, Story, hostile_block
from tests.lab.answers import Answer, Generated, blob, image_answers
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import MIB
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy

HOST = "registry.test"
BODY = Generated(12 * MIB)
PATH = f"/v2/team/app/blobs/{BODY.digest}"
SMALL = "cache { size 2MiB; }\n"


def start(story: Story, hostile: Hostile, pki: Pki, head: str = "", workers: int | None = None) -> Proxy:
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    return story.proxy(policy(hostile_block(hostile, pki), head=head), workers=workers)


def client(proxy: Proxy) -> Client:
    return Client(proxy.port, proxy.ca_file, f"{HOST}:443")


def failures(proxy: Proxy) -> set[str]:
    """What the disk refused, by operation."""
    found = (name for name, value in proxy.metrics().items() if "store_failures_total{" in name and value)
    return {name.split('"')[1] for name in found}


@pytest.mark.real
@pytest.mark.parametrize("name", ["skopeo", "podman"])
def test_the_first_pull_of_a_layer_that_outgrows_the_disk_succeeds(
    name: str, story: Story, hostile: Hostile, pki: Pki, images: Images
) -> None:
    """Chunked: nobody knows beforehand that it will not fit."""
    image = images.small()
    answers = image_answers(image, "team/app", "1.0.0")
    layers = [layer.digest for platform in image.platforms for layer in platform.layers]
    for digest in layers:
        chunked = Answer(200, (), image.read(digest), framing="chunked", ranges=True)
        answers[f"/v2/team/app/blobs/{digest}"] = chunked
    hostile.serve(HOST, answers)
    proxy = story.proxy(policy(hostile_block(hostile, pki), head=SMALL))
    pulled = story.client(name, proxy).pull(f"{HOST}/team/app:1.0.0")
    assert pulled.ok, pulled.output
    assert image.digest in pulled.digests
    assert "write" in failures(proxy), "the disk was too small, or this shows nothing"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_reader_of_a_body_that_outgrows_the_disk_has_it_whole(
    workers: int, story: Story, hostile: Hostile, pki: Pki
) -> None:
    gate = Event()
    hostile.on(HOST, PATH, Answer(200, (), BODY, framing="chunked", ranges=True, hold=MIB // 2, gate=gate))
    proxy = start(story, hostile, pki, SMALL, workers)

    def pull(_: int) -> str:
        with client(proxy) as connection:
            return connection.get(PATH).digest

    with ThreadPoolExecutor(5) as threads:
        pulls = threads.map(pull, range(5))
        until(lambda: hostile.seen(HOST, PATH), 20, "the transfer")
        gate.set()
        assert set(pulls) == {BODY.digest}
    lines = proxy.access(at_least=5)
    assert [line["complete"] for line in lines] == [True] * 5
    assert "write" in failures(proxy)
    assert list((proxy.cache / "tmp").iterdir()) == []


def test_what_is_larger_than_the_cache_passes_by_whole_and_by_range(story: Story, hostile: Hostile, pki: Pki) -> None:
    hostile.on(HOST, PATH, blob(BODY))
    proxy = start(story, hostile, pki, SMALL)
    whole = b"".join(BODY.chunks())
    with client(proxy) as connection:
        assert connection.get(PATH).digest == BODY.digest
        for asked, start_at, stop in (("bytes=5-9", 5, 10), ("bytes=12000000-", 12_000_000, 12 * MIB)):
            reply = connection.request("GET", PATH, {"Range": asked})
            assert (reply.status, reply.body) == (206, whole[start_at:stop])
    assert "reserve" in failures(proxy)


def test_a_cache_directory_that_vanishes_while_running_breaks_no_pull(story: Story, hostile: Hostile, pki: Pki) -> None:
    hostile.on(HOST, PATH, blob(BODY))
    other = Generated(MIB, 3)
    hostile.on(HOST, f"/v2/team/app/blobs/{other.digest}", blob(other))
    proxy = start(story, hostile, pki)
    with client(proxy) as connection:
        assert connection.get(PATH).digest == BODY.digest
        until(lambda: [file for file in (proxy.cache / "blobs").rglob("*") if file.is_file()], 20, "the content")
        for name in ("blobs", "tmp"):
            shutil.rmtree(proxy.cache / name)
        assert connection.get(PATH).digest == BODY.digest
        assert connection.get(f"/v2/team/app/blobs/{other.digest}").digest == other.digest


@pytest.mark.parametrize("planted", ["link", "folder", "pipe", "short", "other bytes of the same length"])
def test_what_somebody_put_in_the_place_of_content_breaks_no_pull(
    planted: str, story: Story, hostile: Hostile, pki: Pki
) -> None:
    """All but bytes that only a hash tells apart are noticed before the first of them leaves, and fetched again."""

    hostile.on(HOST, PATH, blob(BODY))
    proxy = start(story, hostile, pki)
    with client(proxy) as connection:
        assert connection.get(PATH).digest == BODY.digest
        file = proxy.cache / "blobs" / "sha256" / BODY.digest[7:9] / BODY.digest[7:]
        until(file.exists, 20, "the content")
        content = file.read_bytes()
        if planted.startswith("other bytes"):
            file.chmod(0o600)
            file.write_bytes(b"?" + content[1:])
            # Served content is not hashed again: the client's own verification, or `cache verify`, finds it.
            assert connection.get(PATH).body == b"?" + content[1:]
            return
        file.unlink()
        match planted:
            case "link":
                elsewhere = story.directory / "elsewhere"
                elsewhere.write_bytes(content)
                file.symlink_to(elsewhere)
            case "folder":
                file.mkdir()
            case "pipe":
                os.mkfifo(file)
            case _:
                file.write_bytes(content[:-1])
        hostile.requests.clear()
        assert connection.get(PATH).digest == BODY.digest
        assert len(hostile.seen(HOST, PATH)) == 1
