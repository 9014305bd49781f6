"""Reloading under load and after mishaps: nobody's pull notices, and every answer is by one policy."""

import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Answer, Generated, blob, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client, Refused, connect
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, sha256
from tests.lab.policies import Block, policy
from tests.lab.processes import free_port, until
from tests.lab.proxy import Proxy, regproxy, regproxy_environment

HOST = "registry.test"
TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = b'{"schemaVersion":2,"mediaType":"%s","layers":[]}' % TYPE.encode()
TAG = "/v2/team/app/manifests/latest"
BROKEN = "policy 1;\ntier tags { match kind is manifest; frsh 5m; }\n"
REST = "tier rest { match any; pass; }\n"


def serve_manifest(hostile: Hostile) -> None:
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    for reference in ("latest", sha256(MANIFEST)):
        hostile.on(HOST, f"/v2/team/app/manifests/{reference}", manifest(MANIFEST, TYPE, sha256(MANIFEST)))


def tags(lifetime: str) -> str:
    return f"tier tags {{ match kind is manifest; fresh {lifetime}; }}\n{REST}"


def write(proxy: Proxy, text: str) -> None:
    """Replace the policy file at one stroke."""
    draft = proxy.policy_file.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(proxy.policy_file)


def reloads(proxy: Proxy) -> list[dict[str, object]]:
    return [line for line in proxy.log() if line["event"] == "reload"]


def reload(proxy: Proxy, text: str) -> dict[str, object]:
    """Write the policy, send SIGHUP, and wait for what the log says of it."""
    before = len(reloads(proxy))
    write(proxy, text)
    os.kill(proxy.process.pid, signal.SIGHUP)
    until(lambda: len(reloads(proxy)) > before, 20, "the reload's log line")
    return reloads(proxy)[before]


def outcome(proxy: Proxy) -> object:
    """How one more pull of the tag is answered."""
    proxy.forget()
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        assert client.get(TAG, Accept=TYPE).body == MANIFEST
    return proxy.access(at_least=1)[0]["outcome"]


RELOADS = 20
PULLERS = 200


@dataclass
class Pullers:
    """Clients that pull again and again, each over connections of its own, until told to stop."""

    proxy: Proxy
    body: Generated
    stop: Event = field(default_factory=Event)
    failures: list[str] = field(default_factory=list)
    pulls: int = 0
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                with Client(self.proxy.port, self.proxy.ca_file, f"{HOST}:443") as client:
                    replies = [
                        client.get(TAG, Accept=TYPE),
                        client.get(f"/v2/team/app/manifests/{sha256(MANIFEST)}", Accept=TYPE),
                        client.get(f"/v2/team/app/blobs/{self.body.digest}"),
                    ]
                wrong = [reply for reply in replies if reply.status != 200]
                whole = {reply.digest for reply in replies} == {sha256(MANIFEST), self.body.digest}
                failure = f"{wrong or 'wrong bytes'}" if wrong or not whole else ""
            except (OSError, Refused, ValueError) as error:
                failure = repr(error)
            with self._lock:
                self.pulls += 1
                self.failures += [failure] if failure else []


def test_200_pullers_notice_nothing_of_20_reloads_valid_and_broken_in_turn(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    """Each valid policy has names of its own for its registry and its tiers: an answer by two of them would show."""

    def version(number: int) -> str:
        block = hostile_block(hostile, pki)
        named = Block(f"block-{number}", block.hosts, block.ports, block.root, redirect_hosts=block.redirect_hosts)
        tier = f"tier tier-{number} {{ match kind in [manifest, blob] and registry is block-{number}; fresh 1s; }}\n"
        return policy(named, tiers=tier + REST)

    serve_manifest(hostile)
    body = Generated(MIB // 4)
    hostile.on(HOST, f"/v2/team/app/blobs/{body.digest}", blob(body))
    proxy = story.proxy(version(0))
    pullers = Pullers(proxy, body)
    threads = [Thread(target=pullers.run) for _ in range(PULLERS)]
    for thread in threads:
        thread.start()
    results = []
    try:
        until(lambda: pullers.pulls >= PULLERS // 2, 60, "pulls under way")
        for number in range(1, RELOADS + 1):
            text = version(number) if number % 2 else version(number).replace("fresh", "frsh")
            results.append(reload(proxy, text)["result"])
    finally:
        pullers.stop.set()
        for thread in threads:
            thread.join(60)

    assert results == ["success", "failure"] * (RELOADS // 2)
    assert pullers.failures == []
    assert pullers.pulls >= PULLERS
    until(lambda: len(proxy.access()) >= pullers.pulls * 3, 20, "a line for each request")
    pairs = {(str(line["registry"]), str(line["tier"])) for line in proxy.access()}
    assert {registry.removeprefix("block-") for registry, _ in pairs} >= {str(number) for number in (0, 1, RELOADS - 1)}
    assert [pair for pair in pairs if pair[0].removeprefix("block-") != pair[1].removeprefix("tier-")] == []
    samples = proxy.metrics()
    assert samples['regproxy_policy_reloads_total{result="success"}'] == RELOADS // 2
    assert samples['regproxy_policy_reloads_total{result="failure"}'] == RELOADS // 2
    assert samples["regproxy_policy_last_reload_successful"] == 0


def test_a_shortened_lifetime_counts_at_once_for_what_is_stored(story: Story, hostile: Hostile, pki: Pki) -> None:
    serve_manifest(hostile)
    block = hostile_block(hostile, pki)
    proxy = story.proxy(policy(block, tiers=tags("1h")))
    assert [outcome(proxy) for _ in range(2)] == ["miss", "hit"]
    assert reload(proxy, policy(block, tiers=tags("0s")))["result"] == "success"
    assert outcome(proxy) == "revalidated"
    assert reload(proxy, policy(block, tiers=tags("1h")))["result"] == "success"
    assert outcome(proxy) == "hit"


def test_a_wrong_file_is_told_with_its_place_and_the_old_policy_runs_on(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    serve_manifest(hostile)
    good = policy(hostile_block(hostile, pki), tiers=tags("1h"))
    proxy = story.proxy(good)
    (started,) = [line for line in proxy.log() if line["event"] == "policy"]
    failed = reload(proxy, BROKEN)
    assert (failed["result"], failed["trigger"], failed["checksum"]) == ("failure", "signal", started["checksum"])
    findings = failed["findings"]
    assert isinstance(findings, list)
    assert f"{proxy.policy_file}:2:" in findings[0]
    assert "frsh" in findings[0]
    assert proxy.metrics()["regproxy_policy_last_reload_successful"] == 0
    assert [outcome(proxy) for _ in range(2)] == ["miss", "hit"]
    assert reload(proxy, good)["result"] == "unchanged"
    assert proxy.metrics()["regproxy_policy_last_reload_successful"] == 1


def test_an_edited_file_is_noticed_without_a_signal(story: Story, hostile: Hostile, pki: Pki) -> None:
    block = hostile_block(hostile, pki)
    proxy = story.proxy(policy(block, tiers=tags("1h")))
    write(proxy, policy(block, tiers=tags("2h")))
    until(lambda: reloads(proxy), 15, "the poll")
    assert [(line["result"], line["trigger"]) for line in reloads(proxy)] == [("success", "file")]


def test_a_new_registry_is_intercepted_at_its_next_connect_where_the_ca_covers_it(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    serve_manifest(hostile)
    first = Block("first", ("git.test",), {"git.test": hostile.port}, pki.root)
    tunnel = 'tunnel { deny "**"; }\n'
    proxy = story.proxy(policy(first, head=tunnel), permit=[HOST])
    with pytest.raises(Refused):
        connect(proxy.port, f"{HOST}:443")
    both = policy(first, hostile_block(hostile, pki), head=tunnel)
    assert reload(proxy, both)["result"] == "success"
    assert outcome(proxy) == "miss"
    assert proxy.metrics()['regproxy_cache_requests_total{kind="manifest",outcome="miss",registry="hostile"}'] == 1

    stranger = Block("stranger", ("stranger.example",), {}, pki.root)
    refused = reload(proxy, policy(first, hostile_block(hostile, pki), stranger, head=tunnel))
    findings = refused["findings"]
    assert refused["result"] == "failure"
    assert isinstance(findings, list)
    assert "RP310" in findings[0]
    assert "--ca-permit stranger.example" in findings[0]
    assert outcome(proxy) == "hit"


def test_cache_limits_change_at_once(story: Story, hostile: Hostile, pki: Pki) -> None:
    bodies = [Generated(MIB, seed) for seed in range(6)]
    for body in bodies:
        hostile.on(HOST, f"/v2/team/app/blobs/{body.digest}", blob(body))
    block = hostile_block(hostile, pki)
    proxy = story.proxy(policy(block, head="cache { size 64MiB; min-free 1MiB; }\n"))
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        for body in bodies:
            assert client.get(f"/v2/team/app/blobs/{body.digest}").digest == body.digest
    until(lambda: proxy.metrics()["regproxy_cache_bytes"] >= 6 * MIB, 20, "six blobs stored")
    reload(proxy, policy(block, head="cache { size 3MiB; min-free 1MiB; }\n"))
    until(lambda: proxy.metrics()["regproxy_cache_bytes"] <= 3 * MIB, 20, "room made at once")
    assert proxy.metrics()["regproxy_cache_limit_bytes"] == 3 * MIB


def test_transfers_and_tunnels_go_on(story: Story, hostile: Hostile, pki: Pki) -> None:
    gate = Event()
    body = Generated(4 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on(HOST, path, Answer(200, (), body, hold=2 * MIB, gate=gate))
    opened = 'tunnel { allow "**"; ports any; allow-address "127.0.0.0/8"; }\n'
    proxy = story.proxy(policy(hostile_block(hostile, pki), head=opened))
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        tunnel = connect(proxy.port, f"127.0.0.1:{listener.getsockname()[1]}")
        far, _ = listener.accept()
        with tunnel, far, Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
            response = client.send("GET", path)
            begun = response.read(MIB)
            assert reload(proxy, policy(head='tunnel { deny "**"; }\n'))["result"] == "success"
            with pytest.raises(Refused):
                connect(proxy.port, f"{HOST}:443")
            tunnel.sendall(b"ping")
            assert far.recv(4) == b"ping"
            gate.set()
            assert sha256(begun + response.read()) == body.digest
            assert client.get(path).status == 421


def test_sighup_without_a_policy_file_says_so_and_ends_nothing(story: Story, tmp_path: Path) -> None:
    port, metrics = free_port(), free_port()
    places = ["--cache-dir", str(tmp_path / "cache"), "--ca-dir", str(tmp_path / "ca")]
    addresses = ["--listen", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{metrics}"]
    process = story.processes.add("regproxy", regproxy("serve", *places, *addresses), regproxy_environment())
    process.start()
    process.wait_ready(lambda: "listens on" in process.output())
    os.kill(process.pid, signal.SIGHUP)
    until(lambda: "no policy file was named" in process.output(), 20, "the sentence")
    assert process.running
    assert process.stop() == 0
    assert not (tmp_path / "cache" / "last-good").exists()


def test_after_kill_9_and_a_broken_file_resume_runs_the_last_good_policy(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    serve_manifest(hostile)
    block = hostile_block(hostile, pki)
    proxy = story.proxy(policy(block, tiers=tags("1h")), arguments=["--resume"])
    assert reload(proxy, policy(block, tiers=tags("2h")))["result"] == "success"
    (checksum,) = {line["checksum"] for line in reloads(proxy)}
    assert outcome(proxy) == "miss"
    assert reload(proxy, BROKEN)["result"] == "failure"
    proxy.kill()

    arguments = [argument for argument in proxy.process.arguments if argument != "--resume"]
    refused = subprocess.run(
        arguments, env=regproxy_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert f"{proxy.policy_file}:2:" in refused.stderr

    seen = len(proxy.log())
    proxy.start()
    log = proxy.log()[seen:]
    assert str(log[0]["message"]).startswith("policy: LAST GOOD ONE")
    assert any(line["event"] == "warning" and "frsh" in str(line["message"]) for line in log)
    started = next(line for line in log if line["event"] == "policy")
    assert (started["checksum"], started["resumed"]) == (checksum, True)
    samples = proxy.metrics()
    assert (samples["regproxy_policy_resumed"], samples["regproxy_policy_last_reload_successful"]) == (1, 0)
    assert outcome(proxy) == "hit"

    assert reload(proxy, policy(block, tiers=tags("0s")))["result"] == "success"
    samples = proxy.metrics()
    assert (samples["regproxy_policy_resumed"], samples["regproxy_policy_last_reload_successful"]) == (0, 1)
    assert outcome(proxy) == "revalidated"
