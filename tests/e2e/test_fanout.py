"""Many clients, one transfer: whole and by range, early and late, and none of them waits for another."""

import hashlib
import http.client
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Answer, Generated, Received, blob, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, sha256
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy

HOST = "registry.test"
CLIENTS = 100
MANIFEST = b'{"schemaVersion":2}'
KIND = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def proxy(story: Story, hostile: Hostile, pki: Pki) -> Proxy:
    """A proxy before the hostile registry, with tags that are never fresh."""
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    tiers = 'tier digests { match digest like "*"; fresh forever; }\ntier tags { match any; fresh 0s; }\n'
    return story.proxy(policy(hostile_block(hostile, pki), tiers=tiers))


def client(proxy: Proxy) -> Client:
    return Client(proxy.port, proxy.ca_file, f"{HOST}:443")


def received(proxy: Proxy) -> float:
    """Bytes of bodies from the upstream, as the proxy counts them."""
    return proxy.metrics()['regproxy_upstream_received_bytes_total{purpose="blob",registry="hostile"}']


def test_a_hundred_cold_clients_of_one_large_layer_are_one_transfer(
    proxy: Proxy, hostile: Hostile, soak: float
) -> None:
    """All followers have their first byte while the upstream has not sent its last."""
    size = round(1024 * soak * soak) * MIB  # 100 GiB to all with --soak, and a hundredth without
    gate = Event()
    body = Generated(size)
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on(HOST, path, Answer(200, (), body, hold=size // 4, gate=gate, ranges=True))
    everyone = Barrier(CLIENTS + 1)

    def pull(_: int) -> str:
        with client(proxy) as connection:
            everyone.wait(60)
            response = connection.send("GET", path)
            first = response.read(1)
            everyone.wait(60)  # nobody gets here before all have a byte, and the upstream waits for that
            return _digest(first, response)

    with ThreadPoolExecutor(CLIENTS) as threads:
        pulls = threads.map(pull, range(CLIENTS))
        everyone.wait(60)
        everyone.wait(60)
        gate.set()
        assert Counter(pulls) == {body.digest: CLIENTS}
    assert [each.field("range") for each in hostile.seen(HOST, path)] == [""]
    assert received(proxy) <= 1.01 * size


def _digest(first: bytes, response: http.client.HTTPResponse) -> str:
    state = hashlib.sha256(first)
    while piece := response.read(MIB):
        state.update(piece)
    return f"sha256:{state.hexdigest()}"


def test_a_layer_of_twelve_seconds_is_fetched_once_for_three_clients(proxy: Proxy, hostile: Hostile) -> None:
    body = Generated(12 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on(HOST, path, Answer(200, (), body, rate=MIB, ranges=True))

    def pull(late: float) -> tuple[str, float]:
        time.sleep(late)  # a client comes when it comes: seconds after the first, in the middle of the transfer
        with client(proxy) as connection:
            digest = connection.get(path).digest
        return digest, time.monotonic()

    with ThreadPoolExecutor(3) as threads:
        pulls = list(threads.map(pull, [0.0, 2.0, 8.0]))
    assert {digest for digest, _ in pulls} == {body.digest}
    assert len(hostile.seen(HOST, path)) == 1
    ends = [end for _, end in pulls]
    assert max(ends) - min(ends) < 5, "the late ones end with the first, and not after a transfer of their own"


def test_fifty_clients_of_a_tag_that_is_never_fresh_share_the_answer_in_flight(proxy: Proxy, hostile: Hostile) -> None:
    def slow(_: Received) -> Answer:
        time.sleep(1)
        return manifest(MANIFEST, KIND, sha256(MANIFEST))

    path = "/v2/team/app/manifests/latest"
    hostile.on(HOST, path, slow)
    hostile.on(HOST, f"/v2/team/app/manifests/{sha256(MANIFEST)}", slow)
    for turn in ("cold", "stale"):
        hostile.requests.clear()
        everyone = Barrier(50)

        def pull(_: int, everyone: Barrier = everyone) -> bytes:
            with client(proxy) as connection:
                everyone.wait(30)
                return connection.get(path, Accept=KIND).body

        with ThreadPoolExecutor(50) as threads:
            assert set(threads.map(pull, range(50))) == {MANIFEST}
        assert len([each for each in hostile.requests if "/manifests/" in each.path]) <= 2, turn


def test_a_layer_pulled_in_parallel_open_ended_ranges_is_one_transfer(proxy: Proxy, hostile: Hostile) -> None:
    """As containerd 2.1 pulls: `bytes=N-` for each part at once, and the connection is cut when the part is there."""
    part, parts = 8 * MIB, 8
    body = Generated(part * parts)
    expected = list(body.chunks())
    gate = Event()
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on(HOST, path, Answer(200, (), body, hold=MIB, gate=gate, ranges=True))

    def pull(number: int) -> tuple[int, str | None, bytes]:
        with client(proxy) as connection:
            response = connection.send("GET", path, {"Range": f"bytes={number * part}-"})
            data = response.read(part)
            return response.status, response.getheader("Content-Range"), data

    with ThreadPoolExecutor(parts) as threads:
        pulls = threads.map(pull, range(parts))
        until(lambda: hostile.seen(HOST, path), 20, "the transfer")
        gate.set()
        got = list(pulls)
    size = body.size
    assert {status for status, _, _ in got} == {206}
    assert [extent for _, extent, _ in got] == [f"bytes {at}-{size - 1}/{size}" for at in range(0, size, part)]
    assert b"".join(data for _, _, data in got) == b"".join(expected)
    assert [(each.method, each.field("range")) for each in hostile.seen(HOST, path)] == [("GET", "")]
    assert received(proxy) <= 1.01 * size


def test_ranged_and_whole_readers_of_one_fill_are_one_transfer(proxy: Proxy, hostile: Hostile) -> None:
    body = Generated(16 * MIB)
    whole = b"".join(body.chunks())
    gate = Event()
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on(HOST, path, Answer(200, (), body, hold=2 * MIB, gate=gate, ranges=True))
    spans = ["", "bytes=0-", "bytes=15000000-", "bytes=-100", "bytes=1048576-1048580", "bytes=16777215-16777215"]

    def pull(span: str) -> bytes:
        with client(proxy) as connection:
            return connection.request("GET", path, {"Range": span} if span else {}).body

    with ThreadPoolExecutor(len(spans)) as threads:
        pulls = threads.map(pull, spans)
        until(lambda: hostile.seen(HOST, path), 20, "the transfer")
        gate.set()
        assert list(pulls) == [whole, whole, whole[15_000_000:], whole[-100:], whole[1_048_576:1_048_581], whole[-1:]]
    assert len(hostile.seen(HOST, path)) == 1


def test_a_reset_at_three_fifths_is_seen_by_no_client(proxy: Proxy, hostile: Hostile) -> None:
    """The leader's failure is not forty-nine requests for the rest either."""
    body = Generated(10 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    gate = Event()
    broken = Answer(200, (), body, cut=6 * MIB, reset=True, hold=MIB, gate=gate, ranges=True)
    hostile.on(HOST, path, broken, blob(body))
    everyone = Barrier(51)

    def pull(_: int) -> str:
        with client(proxy) as connection:
            everyone.wait(60)
            return connection.get(path).digest

    with ThreadPoolExecutor(50) as threads:
        pulls = threads.map(pull, range(50))
        everyone.wait(60)
        until(lambda: hostile.seen(HOST, path), 20, "the transfer")
        gate.set()
        assert Counter(pulls) == {body.digest: 50}
    first, second = hostile.seen(HOST, path)
    assert first.field("range") == ""
    assert second.field("range").startswith("bytes=")


def test_wrong_bytes_reach_nobody_whole_are_not_stored_and_are_counted(proxy: Proxy, hostile: Hostile) -> None:
    body = Generated(2 * MIB)
    path = f"/v2/team/app/blobs/{Generated(2 * MIB, 9).digest}"
    hostile.on(HOST, path, blob(body))
    cut = 0
    for _ in range(3):
        with client(proxy) as connection, pytest.raises((http.client.IncompleteRead, ConnectionError)):
            cut += 1
            connection.get(path)
    assert cut == 3
    assert [file for file in (proxy.cache / "blobs").rglob("*") if file.is_file()] == []
    lines = proxy.access(at_least=3)
    assert [line["complete"] for line in lines] == [False] * 3
    assert proxy.metrics()['regproxy_cache_integrity_failures_total{kind="blob",where="upstream"}'] == 3


@pytest.mark.parametrize("cut", [1000, MIB])
def test_a_truncated_body_that_the_close_delimits_is_never_stored(cut: int, proxy: Proxy, hostile: Hostile) -> None:
    body = Generated(2 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    short = b"".join(body.chunks(0, cut))
    hostile.on(HOST, path, Answer(200, (), short, framing="close"))
    with client(proxy) as connection, pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.get(path)
    hostile.on(HOST, path, blob(body))
    with client(proxy) as connection:
        assert connection.get(path).digest == body.digest


def test_a_client_that_leaves_takes_nobody_along(proxy: Proxy, hostile: Hostile) -> None:
    body = Generated(8 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    gate = Event()
    hostile.on(HOST, path, Answer(200, (), body, hold=2 * MIB, gate=gate, ranges=True))
    with ExitStack() as staying:
        connections = [client(proxy) for _ in range(4)]
        for connection in connections[1:]:
            staying.enter_context(connection)
        responses = [connection.send("GET", path) for connection in connections]
        assert [len(response.read(MIB)) for response in responses] == [MIB] * 4
        connections[0].__exit__(None, None, None)
        gate.set()
        assert [len(response.read()) for response in responses[1:]] == [7 * MIB] * 3
    assert len(hostile.seen(HOST, path)) == 1
