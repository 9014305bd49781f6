"""What the running proxy says of itself over its admin socket."""

import json
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.e2e.test_reload import BROKEN, HOST, MANIFEST, TAG, TYPE, serve_manifest, tags, write
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy, regproxy, regproxy_environment

REFERENCE = f"{HOST}/team/app:latest"


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path short enough for a socket."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "admin.sock"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        regproxy(*arguments), env=regproxy_environment(), capture_output=True, text=True, timeout=60, check=False
    )


def running(story: Story, hostile: Hostile, pki: Pki, socket_path: Path) -> Proxy:
    serve_manifest(hostile)
    block = hostile_block(hostile, pki)
    return story.proxy(policy(block, tiers=tags("5m")), arguments=["--admin", f"unix:{socket_path}"])


def test_explain_asks_the_running_proxy_what_it_has_stored(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    live = ("policy", "explain", "--live", "--admin", f"unix:{socket_path}")
    cold = run(*live, REFERENCE)
    assert (cold.returncode, "nothing is stored" in cold.stdout) == (0, True), cold.stderr
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        digest = client.get(TAG, Accept=TYPE).digest
    warm = run(*live, REFERENCE)
    assert "-> tags" in warm.stdout
    assert "hit: the client gets 200" in warm.stdout
    told = json.loads(run(*live, "--json", REFERENCE).stdout)
    assert told["stored"] | {"age": 0} == {
        "stored": "stored", "digest": digest, "media_type": TYPE, "size": len(MANIFEST), "here": True, "age": 0,
    }  # fmt: skip
    assert told["now"]["outcome"] == "hit"
    assert run(*live, "no such:reference:at all").returncode == 2
    assert run(*live, "--stored-age", "2d", REFERENCE).returncode == 2


def test_only_the_proxys_own_user_can_open_the_socket_and_it_goes_with_the_proxy(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
    proxy.kill()
    proxy.start()
    assert run("policy", "explain", "--live", "--admin", f"unix:{socket_path}", REFERENCE).returncode == 0
    proxy.stop()
    assert not socket_path.exists()
    gone = run("policy", "explain", "--live", "--admin", f"unix:{socket_path}", REFERENCE)
    assert gone.returncode == 1
    assert f"no proxy answers at {socket_path}" in gone.stderr


def test_the_policy_is_reloaded_by_a_call_and_its_mistakes_come_back(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    reload = ("policy", "reload", "--admin", f"unix:{socket_path}")
    good = proxy.policy_file.read_text()
    assert run(*reload).stdout == "unchanged\n"
    write(proxy, BROKEN)
    wrong = run(*reload)
    assert wrong.returncode == 1
    assert f"{proxy.policy_file}:2:37: RP101 unknown directive `frsh` in `tier`" in wrong.stdout
    for minutes in range(6, 12):
        write(proxy, good.replace("fresh 5m", f"fresh {minutes}m"))
        changed = run(*reload)
        if changed.stdout != "unchanged\n":
            break  # else the file's watcher was there first
    assert (changed.returncode, changed.stdout.startswith("the new policy runs")) == (0, True)
    assert f"fresh {minutes - 1}m" in changed.stdout.splitlines()[1]
    assert f"-> tier tags: fresh {minutes}m" in changed.stdout.splitlines()[1]


def test_a_trace_shows_the_last_exchanges_of_an_image_and_no_credential(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    trace = ("trace", "--admin", f"unix:{socket_path}")
    assert "nothing is known" in run(*trace, REFERENCE).stdout
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        client.request("GET", TAG, {"Accept": TYPE})
        client.request("GET", f"{TAG}?signature=hush", {"Accept": TYPE, "Cookie": "hush", "X-Registry-Auth": "hush"})
    until(lambda: run(*trace, REFERENCE).stdout.count(" client ") == 2, 20, "both requests are told")
    shown = run(*trace, REFERENCE)
    assert shown.returncode == 0, shown.stderr
    assert f"the proxy asked {HOST}: GET {TAG} -> 200" in shown.stdout
    assert f"asked {HOST}: GET {TAG} -> 200 miss" in shown.stdout
    assert "    > Cookie: (hidden)" in shown.stdout
    assert "hush" not in shown.stdout
    told = json.loads(run(*trace, "--json", REFERENCE).stdout)
    assert {one["event"] for one in told["exchanges"]} == {"upstream", "answer", "request"}
    unknown = run(*trace, "other.example/a/b:1")
    assert (unknown.returncode, "no registry block has other.example" in unknown.stderr) == (2, True)
