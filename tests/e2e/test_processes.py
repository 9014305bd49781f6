"""Edges and a core as real processes: what the death of each costs, and what they share."""

import contextlib
import http.client
import os
import random
import signal
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from regproxy.wire.remote import WAIT_SECONDS
from tests.e2e.conftest import Images, Story, hostile_block
from tests.lab.answers import Answer, Generated, image_answers
from tests.lab.certificates import Pki
from tests.lab.client import Client, Reply
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, Image
from tests.lab.policies import policy
from tests.lab.processes import free_port, until
from tests.lab.proxy import Proxy, regproxy, regproxy_environment
from tests.lab.registry import Registry

HOST = "registry.test"
LAYER = Generated(8 * MIB, 900)
PATH = f"/v2/team/app/blobs/{LAYER.digest}"
CUT = (http.client.HTTPException, OSError)


@pytest.fixture
def start(story: Story, hostile: Hostile, pki: Pki) -> Callable[[int], Proxy]:
    """A proxy before the hostile registry, with so many workers."""
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    return lambda workers: story.proxy(policy(hostile_block(hostile, pki)), workers=workers)


def client(proxy: Proxy) -> Client:
    return Client(proxy.port, proxy.ca_file, f"{HOST}:443")


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def held(hostile: Hostile, size: int = 2 * MIB) -> Event:
    """The layer stops after `size` bytes until the event is set."""
    gate = Event()
    hostile.on(HOST, PATH, Answer(200, (), LAYER, hold=size, gate=gate, ranges=True))
    return gate


def pull(proxy: Proxy, image: Image) -> None:
    """All of an image, each request on a connection of its own, as dockerd does; every body must be right."""
    paths = {"/v2/team/app/manifests/1.0.0": image.digest}
    for platform in image.platforms:
        paths |= {f"/v2/team/app/blobs/{layer.digest}": layer.digest for layer in platform.layers}
    for path, digest in paths.items():
        with client(proxy) as connection:
            reply = connection.request("GET", path, {"Accept": image.top.media_type})
            assert (reply.status, reply.digest) == (200, digest), path


def test_the_core_is_killed_under_load_and_no_warm_pull_fails(
    start: Callable[[int], Proxy], hostile: Hostile, images: Images
) -> None:
    image = images.small()
    hostile.serve(HOST, image_answers(image, "team/app", "1.0.0"))
    proxy = start(2)
    pull(proxy, image)
    asked = len(hostile.requests)
    done, failed, whole = Event(), [], []

    def pulls() -> None:
        while not done.is_set():
            try:
                pull(proxy, image)
                whole.append(True)
            except (AssertionError, *CUT) as error:
                failed.append(error)

    threads = [Thread(target=pulls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(whole)
        until(lambda: len(whole) >= before + 4, 30, "pulls before the kill")  # noqa: B023 -- called at once
        _strike(proxy, "core", random.Random())
    done.set()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert len(hostile.requests) == asked
    assert len([line for line in proxy.log() if line["event"] == "process"]) == 3


def test_what_an_edge_remembers_it_serves_while_there_is_no_core(
    start: Callable[[int], Proxy], hostile: Hostile, images: Images
) -> None:
    image = images.small()
    hostile.serve(HOST, image_answers(image, "team/app", "1.0.0"))
    proxy = start(2)
    with client(proxy) as connection:

        def manifest() -> Reply:
            return connection.request("GET", "/v2/team/app/manifests/1.0.0", {"Accept": image.top.media_type})

        for _ in range(3):
            assert manifest().digest == image.digest
        core = proxy.core()
        assert core is not None
        os.kill(core, signal.SIGSTOP)
        try:
            assert manifest().digest == image.digest
        finally:
            os.kill(core, signal.SIGCONT)


def test_a_body_that_the_dead_core_was_fetching_breaks_off(start: Callable[[int], Proxy], hostile: Hostile) -> None:
    gate = held(hostile)
    proxy = start(2)
    with client(proxy) as connection:
        response = connection.send("GET", PATH)
        assert len(response.read(MIB)) == MIB
        kill(proxy.core())
        with pytest.raises(CUT):
            response.read()
    gate.set()
    until(lambda: proxy.core() is not None and proxy.ready(), 20, "another core")
    with client(proxy) as connection:
        assert connection.get(PATH).digest == LAYER.digest


def test_an_edge_that_dies_takes_only_its_clients_along(start: Callable[[int], Proxy], hostile: Hostile) -> None:
    gate = held(hostile)
    proxy = start(2)
    before = set(proxy.edges())
    digests: list[str] = []

    def read() -> None:
        with contextlib.suppress(*CUT), client(proxy) as connection:
            digests.append(connection.get(PATH).digest)

    threads = [Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: hostile.seen(HOST, PATH), 20, "the upstream request")
    kill(min(before))
    until(lambda: len(proxy.edges()) == 2 and set(proxy.edges()) != before, 20, "another edge")
    gate.set()
    for thread in threads:
        thread.join(30)
    assert set(digests) <= {LAYER.digest}
    with client(proxy) as connection:
        assert connection.get(PATH).digest == LAYER.digest
    assert len(hostile.seen(HOST, PATH)) == 1, "the fetch goes on without the edge that asked"


def test_nobody_outlives_the_parent(start: Callable[[int], Proxy]) -> None:
    proxy = start(2)
    family = [proxy.core(), *proxy.edges()]
    kill(proxy.process.pid)
    proxy.process.wait()
    until(lambda: not any(_lives(pid) for pid in family), 20, "the children end")
    proxy.start()
    assert proxy.get("/")[0] == 200


def _lives(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_transfer_serves_clients_of_all_edges_and_a_range_ahead_waits(
    start: Callable[[int], Proxy], hostile: Hostile
) -> None:
    gate = held(hostile)
    proxy = start(3)
    until(lambda: len(proxy.edges()) == 3, 20, "all edges")
    until(lambda: len({_sockets(pid) for pid in proxy.edges()}) == 1, 20, "all edges are as far")
    idle = {pid: _sockets(pid) for pid in proxy.edges()}
    whole: list[str] = []
    parts: list[tuple[int, bytes]] = []

    def read() -> None:
        with client(proxy) as connection:
            whole.append(connection.get(PATH).digest)

    def read_ahead() -> None:
        with client(proxy) as connection:
            reply = connection.get(PATH, Range=f"bytes={5 * MIB}-{5 * MIB + 99}")
            parts.append((reply.status, reply.body))

    threads = [Thread(target=work) for work in [read] * 12 + [read_ahead] * 3]
    for thread in threads:
        thread.start()

    def busy() -> int:
        return sum(_sockets(pid) > idle[pid] for pid in idle)

    until(lambda: sum(_sockets(pid) - idle[pid] for pid in idle) >= 15, 20, "all clients are connected")
    assert busy() >= 2, "more than one edge serves"
    assert parts == []
    gate.set()
    for thread in threads:
        thread.join(30)
    assert whole == [LAYER.digest] * 12
    wanted = b"".join(LAYER.chunks(5 * MIB, 5 * MIB + 100))
    assert parts == [(206, wanted)] * 3
    assert len(hostile.seen(HOST, PATH)) == 1


def _sockets(pid: int) -> int:
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()).startswith("socket:")
    return found


@pytest.mark.real
def test_three_workers_pull_with_a_real_client_and_the_second_pull_stays_here(
    story: Story, both: str, hub: Registry, images: Images
) -> None:
    digest = hub.push(images.small(), "library/small:latest")
    proxy = story.proxy(both, workers=3)
    skopeo = story.client("skopeo", proxy)
    assert digest in skopeo.pull("docker.io/library/small:latest").digests
    hub.forget()
    proxy.forget()
    skopeo.remove("docker.io/library/small:latest")
    assert digest in skopeo.pull("docker.io/library/small:latest").digests
    assert hub.requests() == []
    assert {line["outcome"] for line in proxy.access(at_least=4)} <= {"hit", "local"}


def test_sigterm_lets_a_transfer_of_an_edge_end_and_exits_0(start: Callable[[int], Proxy], hostile: Hostile) -> None:
    gate = held(hostile)
    proxy = start(2)
    idle = client(proxy)
    digests: list[str] = []

    def read() -> None:
        with client(proxy) as connection:
            digests.append(connection.get(PATH).digest)

    reader = Thread(target=read)
    reader.start()
    until(lambda: hostile.seen(HOST, PATH), 20, "the upstream request")
    os.kill(proxy.process.pid, signal.SIGTERM)
    until(lambda: not proxy.ready(), 20, "readiness ends")
    until(lambda: _refused(proxy), 20, "nothing more is accepted")
    with idle, pytest.raises(CUT):
        idle.get("/v2/")
    gate.set()
    reader.join(20)
    assert digests == [LAYER.digest]
    assert proxy.process.wait(15) == 0
    assert [line["status"] for line in proxy.access(at_least=1)] == [200], "the last line is written as well"


def _refused(proxy: Proxy) -> bool:
    try:
        proxy.get("/")
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_a_core_that_cannot_start_ends_the_program_with_its_exit_code_and_reason(
    start: Callable[[int], Proxy], story: Story
) -> None:
    first = start(1)
    ports = ["--listen", f"127.0.0.1:{free_port()}", "--metrics", f"127.0.0.1:{free_port()}"]
    places = [*ports, "--ca-dir", str(first.directory / "ca")]
    arguments = regproxy("serve", "--policy", str(first.policy_file), "--workers", "2", *places)
    second = story.processes.add("second", [*arguments, "--cache-dir", str(first.cache)], regproxy_environment())
    second.start()
    assert second.wait(20) == 1
    assert str(first.cache) in second.output()
    assert "Traceback" not in second.output()


def test_the_next_core_runs_the_policy_that_ran_though_its_file_is_broken(start: Callable[[int], Proxy]) -> None:
    proxy = start(2)
    good = proxy.policy_file.read_text()
    proxy.policy_file.write_text("policy 1;\nnonsense\n")
    core = proxy.core()
    kill(core)
    until(lambda: proxy.core() not in (None, core) and proxy.ready(), 15, "another core")
    _ping(proxy, 1)
    assert proxy.metrics()["regproxy_policy_resumed"] == 1
    proxy.policy_file.write_text(good)
    os.kill(proxy.process.pid, signal.SIGHUP)
    until(lambda: proxy.metrics()["regproxy_policy_resumed"] == 0, 20, "the parent passes SIGHUP on to the core")


def test_every_request_is_one_line_whichever_edge_served_it(start: Callable[[int], Proxy]) -> None:
    proxy = start(2)
    threads = [Thread(target=_ping, args=(proxy, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    lines = proxy.access(at_least=40)
    assert len(lines) == 40
    assert {line["kind"] for line in lines} == {"ping"}
    assert proxy.metrics()['regproxy_connect_requests_total{decision="intercept"}'] == 40


def _ping(proxy: Proxy, times: int) -> None:
    for _ in range(times):
        with client(proxy) as connection:
            connection.get("/v2/")


LIVES, FEW_LIVES = 200, 5
PULLS = 20
# A core is there within what edges let their clients wait for it; so much longer on a machine that is busy, at most.
MARGIN = 2.0


class Life:
    """Twenty cold pulls of one life of the proxy, and warm pulls beside them."""

    def __init__(self, proxy: Proxy, hostile: Hostile, warm: Image, number: int) -> None:
        self.proxy = proxy
        self.warm = warm
        self.wrong: list[str] = []
        self.failed_warm: list[BaseException] = []
        self._over = Event()
        self.bodies = [Generated(150_000 + 10_007 * each, 1000 + PULLS * number + each) for each in range(PULLS)]
        for body in self.bodies:
            hostile.on(HOST, _blob(body), Answer(200, (), body, rate=MIB // 2, ranges=True))

    def begin(self) -> list[Thread]:
        """All pulls at once, each on a connection of its own; warm ones one after the other until `end`."""
        threads = [Thread(target=self.read, args=(body,)) for body in self.bodies] + [Thread(target=self._keep_warm)]
        for thread in threads:
            thread.start()
        return threads

    def end(self, threads: list[Thread]) -> None:
        """No pull begins any more, and those that run end."""
        self._over.set()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads), "a client hangs"

    def read(self, body: Generated) -> bool:
        """Whether the body came whole."""
        with contextlib.suppress(*CUT), client(self.proxy) as connection:
            reply = connection.get(_blob(body))
            if reply.status == 200 and reply.digest != body.digest:
                self.wrong.append(body.digest)
            return reply.status == 200
        return False

    def _keep_warm(self) -> None:
        while not self._over.is_set():
            try:
                pull(self.proxy, self.warm)
            except (AssertionError, *CUT) as error:
                self.failed_warm.append(error)
                return


def _blob(body: Generated) -> str:
    return f"/v2/team/app/blobs/{body.digest}"


def _strike(proxy: Proxy, victim: str, chance: random.Random) -> float:
    """Kill the core, an edge or all processes, and wait until all are there again; the seconds that it took."""
    before = {proxy.core(), *proxy.edges()}
    began = time.monotonic()
    dead = proxy.core() if victim == "core" else chance.choice(proxy.edges())
    if victim == "all":
        proxy.kill()
        proxy.start()
        before = set()
    else:
        kill(dead)
        before = {dead}
    until(
        lambda: before.isdisjoint({proxy.core(), *proxy.edges()}) and len(proxy.edges()) == 2 and proxy.ready(),
        WAIT_SECONDS * MARGIN,
        f"ready after the death of {victim}",
    )
    return time.monotonic() - began


def test_kills_of_core_edges_or_all_at_random_moments_leave_no_wrong_byte_and_nothing_stuck(
    start: Callable[[int], Proxy],
    hostile: Hostile,
    images: Images,
    soak: float,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(seed)
    image = images.small()
    hostile.serve(HOST, image_answers(image, "team/app", "1.0.0"))
    proxy = start(2)
    until(lambda: proxy.core() is not None and len(proxy.edges()) == 2, 20, "all processes")
    pull(proxy, image)
    seconds: list[float] = []
    for number in range(LIVES if soak == 1.0 else FEW_LIVES):
        life = Life(proxy, hostile, image, number)
        victim = chance.choice(["core", "edge", "all"])
        threads = life.begin()
        time.sleep(chance.uniform(0.0, 0.8))  # the moment of the kill is the story's chance, not a wait for something
        seconds.append(_strike(proxy, victim, chance))
        life.end(threads)
        if victim == "core":
            assert life.failed_warm == [], f"life {number}"
        again = [Thread(target=life.read, args=(body,)) for body in life.bodies]
        asked = len(hostile.requests)
        for thread in again:
            thread.start()
        for thread in again:
            thread.join(30)
        whole = [life.read(body) for body in life.bodies]
        assert whole == [True] * PULLS, f"life {number}, death of {victim}: a key is stuck"
        assert len(hostile.requests) - asked <= PULLS, "one transfer is enough for each"
        assert life.wrong == []
    assert statistics.median(seconds) < WAIT_SECONDS
    record_property("seconds until ready again", sorted(seconds)[-10:])
