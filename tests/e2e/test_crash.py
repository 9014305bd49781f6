"""kill -9 in the middle of cold pulls: no wrong byte, what was finished still hits, leftovers are gone."""

import contextlib
import http.client
import random
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.e2e.conftest import Images, Story, hostile_block
from tests.lab.answers import Answer, Generated, blob, image_answers
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.clients import Skopeo, proxied
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, sha256
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy

HOST = "registry.test"
PULLS = 10
FINISHED = [Generated(2 * MIB, seed) for seed in range(100, 100 + PULLS)]
BROKEN = [Generated(6 * MIB, seed) for seed in range(200, 200 + PULLS)]


def _path(body: Generated) -> str:
    return f"/v2/team/app/blobs/{body.digest}"


def _leftovers(cache: Path) -> list[Path]:
    return list(cache.rglob("*.part"))


def _content(cache: Path) -> dict[str, Path]:
    """Files that are named by a SHA-256."""
    names = (file for file in cache.rglob("*") if file.is_file() and len(file.name.partition(".")[0]) == 64)
    return {file.name: file for file in names}


def test_kill_9_in_the_middle_of_ten_cold_pulls(story: Story, hostile: Hostile, pki: Pki) -> None:
    gate = Event()
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    for body in FINISHED:
        hostile.on(HOST, _path(body), blob(body))
    for body in BROKEN:
        hostile.on(HOST, _path(body), Answer(200, (), body, hold=3 * MIB, gate=gate, ranges=True))
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    half: list[int] = []

    def pull(number: int) -> None:
        with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
            assert client.get(_path(FINISHED[number])).digest == FINISHED[number].digest
            response = client.send("GET", _path(BROKEN[number]))
            assert len(response.read(MIB)) == MIB
            half.append(number)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                response.read()

    threads = [Thread(target=pull, args=(number,)) for number in range(PULLS)]
    for thread in threads:
        thread.start()
    until(lambda: len(half) == PULLS, 30, "ten pulls half done")
    assert _leftovers(proxy.cache), "the kill must find part files"
    proxy.kill()
    for thread in threads:
        thread.join(30)

    gate.set()
    hostile.requests.clear()
    proxy.start()
    assert _leftovers(proxy.cache) == []
    for name, file in _content(proxy.cache).items():
        assert sha256(file.read_bytes()) == f"sha256:{name.partition('.')[0]}"
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        for body in FINISHED:
            assert client.get(_path(body)).digest == body.digest
        assert hostile.seen(HOST, _path(FINISHED[0])) == []
        assert [each.path for each in hostile.requests if each.path.startswith("/v2/team/")] == []
        for body in BROKEN:
            assert client.get(_path(body)).digest == body.digest


@pytest.mark.real
def test_ten_real_pulls_that_a_kill_broke_succeed_afterwards(
    story: Story, hostile: Hostile, pki: Pki, images: Images
) -> None:
    made = [images.small(seed) for seed in range(50, 50 + PULLS)]
    for number, image in enumerate(made):
        answers = image_answers(image, f"team/app{number}", "1.0.0")
        layer = image.platforms[0].layers[1].digest
        answers[f"/v2/team/app{number}/blobs/{layer}"] = Answer(200, (), image.read(layer), rate=MIB, ranges=True)
        hostile.serve(HOST, answers)
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    environment = proxied(proxy, story.directory / "home")
    pulled = _pull_all(proxy, environment, story.directory / "broken", kill=True)
    assert not any(pulled.values())
    proxy.start()
    pulled = _pull_all(proxy, environment, story.directory / "whole", kill=False)
    assert pulled == {number: {image.digest} for number, image in enumerate(made)}


LIVES = 50


def test_kills_at_random_moments_never_leave_a_wrong_byte(
    story: Story, hostile: Hostile, pki: Pki, soak: float, seed: int
) -> None:
    chance = random.Random(seed)
    bodies = [Generated(MIB // 2 + number * 70_001, 300 + number) for number in range(12)]
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    for body in bodies:
        hostile.on(HOST, _path(body), Answer(200, (), body, rate=2 * MIB, ranges=True))
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    whole: list[bool] = []

    def pull(body: Generated) -> None:
        with (
            contextlib.suppress(http.client.HTTPException, OSError),
            Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client,
        ):
            whole.append(client.get(_path(body)).digest == body.digest)

    for _ in range(round(LIVES * soak)):
        threads = [Thread(target=pull, args=(body,)) for body in chance.sample(bodies, 6)]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.05, 0.6))  # the moment of the kill is the story's chance, not a wait for something
        proxy.kill()
        for thread in threads:
            thread.join(30)
        proxy.start()
        assert _leftovers(proxy.cache) == []
        for name, file in _content(proxy.cache).items():
            assert sha256(file.read_bytes()) == f"sha256:{name.partition('.')[0]}"
    for body in bodies:
        pull(body)
    assert whole.count(True) >= len(bodies)
    assert False not in whole


def _pull_all(proxy: Proxy, environment: dict[str, str], directory: Path, *, kill: bool) -> dict[int, set[str]]:
    pulled: dict[int, set[str]] = {}

    def pull(number: int) -> None:
        client = Skopeo(environment, directory / str(number))
        pulled[number] = set(client.pull(f"{HOST}/team/app{number}:1.0.0").digests)

    threads = [Thread(target=pull, args=(number,)) for number in range(PULLS)]
    for thread in threads:
        thread.start()
    if kill:
        until(lambda: _leftovers(proxy.cache), 30, "a pull in the middle")
        proxy.kill()
    for thread in threads:
        thread.join(120)
    return pulled
