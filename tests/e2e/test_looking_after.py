"""`regproxy status`, `top`, `ratelimit` and `upstream`, asking the running proxy."""

import json
from pathlib import Path

from tests.e2e.conftest import HUB, Story
from tests.e2e.test_live import run, running, socket_path
from tests.e2e.test_reload import HOST, MANIFEST, TAG, TYPE
from tests.lab.answers import Answer, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import Block, policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy

__all__ = ["socket_path"]
LEFT = (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600"))


def get(proxy: Proxy) -> tuple[int, str]:
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        reply = client.get(TAG, Accept=TYPE)
        return reply.status, reply.fields.get("cache-status", "")


def test_the_state_of_the_whole_fits_on_a_screen(story: Story, hostile: Hostile, pki: Pki, socket_path: Path) -> None:
    proxy = running(story, hostile, pki, socket_path)
    at = ("--admin", f"unix:{socket_path}")
    good = manifest(MANIFEST, TYPE, sha256(MANIFEST))
    hostile.on(HOST, TAG, Answer(200, (*good.fields, *LEFT), MANIFEST))
    for _ in range(4):
        get(proxy)

    def counted() -> bool:
        return bool(json.loads(run("status", "--json", *at).stdout)["requests"].get("hit") == 3)

    until(counted, 20, "the edges' counters")
    shown = run("status", *at)
    assert shown.returncode == 0
    for words in (
        "ready, up ",
        "1 contents, 0 being fetched",
        "requests 4, 75% from the cache",
        f"{HOST}  ok     0 of 100",
    ):
        assert words in shown.stdout, shown.stdout
    limits = run("ratelimit", *at)
    assert (limits.returncode, "anonymous  0 of 100  in 6h" in limits.stdout) == (1, True), limits.stdout
    lines = run("top", "--interval", "0.2", "--screens", "2", "--json", *at).stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["ready", "ready"]
    screens = run("top", "--interval", "0.2", "--screens", "2", *at).stdout
    assert (screens.count("requests 4"), screens.count("requests/s")) == (2, 1)


def test_a_registry_is_tested_blocked_and_asked_again(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    at = ("--admin", f"unix:{socket_path}")
    hostile.on(HOST, "/v2/", Answer(200))
    tested = run("upstream", "test", HOST, *at)
    assert (tested.returncode, tested.stdout.startswith(f"{HOST}: 200 in ")) == (0, True), tested.stderr
    assert run("upstream", "unblock", HOST, *at).returncode == 1
    assert run("upstream", "block", HOST, "--minutes", "5", *at).stdout == f"{HOST} is not asked for 5m\n"
    asked = len(hostile.seen(HOST, ""))
    assert get(proxy)[0] == 502
    failed = run("upstream", "test", HOST, *at)
    assert (failed.returncode, "the operator wants it not to be asked until" in failed.stderr) == (1, True)
    assert len(hostile.seen(HOST, "")) == asked
    assert f"{HOST}  blocked for " in run("upstream", "ls", *at).stdout
    assert run("upstream", "unblock", HOST, *at).stdout == f"{HOST} is asked again\n"
    assert get(proxy)[0] == 200


def test_a_name_that_is_no_registry_is_said(story: Story, hostile: Hostile, pki: Pki, socket_path: Path) -> None:
    running(story, hostile, pki, socket_path)
    for name, sentence in (("a..b", "host"), ("elsewhere.example", "the policy names no registry elsewhere.example")):
        said = run("upstream", "test", name, "--admin", f"unix:{socket_path}")
        assert (said.returncode, sentence in said.stderr) == (2, True), said.stderr


def test_dashboards_made_for_exporters_of_the_hubs_limit_go_on(story: Story, pki: Pki) -> None:
    good = manifest(MANIFEST, TYPE, sha256(MANIFEST))
    with Hostile(pki.leaf(HUB, HOST)) as registries:
        blocks = (Block(name, (host,), {host: registries.port}, pki.root) for name, host in (("hub", HUB), ("h", HOST)))
        proxy = story.proxy(policy(*blocks), arguments=("--metrics-aliases",))
        for host, left in ((HUB, "41"), (HOST, "7")):
            said = (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", f"{left};w=21600"))
            registries.on(host, TAG, Answer(200, (*good.fields, *said), MANIFEST))
            with Client(proxy.port, proxy.ca_file, f"{host}:443") as client:
                assert client.get(TAG, Accept=TYPE).status == 200
    shown = {name: value for name, value in proxy.metrics().items() if name.startswith("dockerhub_")}
    assert shown == {
        'dockerhub_limit_max_requests_total{account="anonymous"}': 100,
        'dockerhub_limit_remaining_requests_total{account="anonymous"}': 41,
        'dockerhub_limit_max_requests_time{account="anonymous"}': 21600,
        'dockerhub_limit_remaining_requests_time{account="anonymous"}': 21600,
    }
