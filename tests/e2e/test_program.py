"""The program itself: exit codes, messages, its own pages, and a clean end."""

import signal
import subprocess
from pathlib import Path
from threading import Event, Thread

import pytest
from cryptography import x509

from tests.e2e.conftest import Images, Story, hostile_block
from tests.lab.answers import Answer, Generated, image_answers
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import MIB
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import regproxy, regproxy_environment


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run regproxy to its end."""
    command = regproxy(*arguments)
    return subprocess.run(command, env=regproxy_environment(), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("command", [("policy", "check"), ("serve", "--policy")])
def test_a_wrong_policy_exits_1_with_file_line_caret_and_hint(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "wrong.policy"
    file.write_text("policy 1;\n\ntier tags { match kind is manifest; frsh 5m; }\n")
    places = ["--cache-dir", str(tmp_path / "cache"), "--ca-dir", str(tmp_path / "ca")]
    done = run(*command, str(file), *(places if command[0] == "serve" else []))
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert f"{file}:3:" in text
    assert "^" in text
    assert "fresh" in text.replace("frsh 5m", ""), "the hint names what was meant"
    assert "Traceback" not in text


def test_every_mistake_is_reported_in_one_run(tmp_path: Path) -> None:
    file = tmp_path / "wrong.policy"
    file.write_text("policy 1;\ncache { size 5; }\ntier a { match kind is manifst; fresh 5m; }\n")
    text = (done := run("policy", "check", str(file))).stdout + done.stderr
    assert f"{file}:2:" in text
    assert f"{file}:3:" in text


@pytest.mark.parametrize(
    "arguments",
    [("serve", "--nonsense"), ("serve", "--listen", "nowhere"), ("nonsense",), ("policy", "check", "--nonsense")],
)
def test_a_wrong_flag_exits_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_exits_1_and_names_it(story: Story, tmp_path: Path) -> None:
    proxy = story.proxy(policy())
    places = ["--cache-dir", str(tmp_path / "cache"), "--ca-dir", str(tmp_path / "ca")]
    done = run("serve", "--policy", str(proxy.policy_file), "--listen", f"127.0.0.1:{proxy.port}", *places)
    assert done.returncode == 1
    assert str(proxy.port) in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_proxy_port_tells_what_it_is_and_hands_out_its_ca(story: Story) -> None:
    proxy = story.proxy(policy())
    status, page = proxy.get("/")
    assert status == 200
    assert b"docker-registry-proxy: The docker caching proxy is working!" in page
    assert b"<html" in proxy.get("/", accept="text/html")[1].lower()
    status, pem = proxy.get("/ca.crt")
    certificate = x509.load_pem_x509_certificate(pem)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert status == 200
    assert constraints.critical
    assert constraints.value.permitted_subtrees
    assert proxy.get("/nothing-here")[0] == 404
    keys = [file for file in (proxy.directory / "ca").iterdir() if b"PRIVATE KEY" in file.read_bytes()]
    assert [file.stat().st_mode & 0o777 for file in keys] == [0o600]


def test_health_and_metrics_answer_on_their_own_port(story: Story, hostile: Hostile, pki: Pki) -> None:
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    assert proxy.get("/livez", proxy.metrics_port)[0] == 200
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        client.get("/v2/team/app/manifests/none")
    samples = proxy.metrics()
    assert any(name.startswith("regproxy_") and value > 0 for name, value in samples.items())


def test_every_request_leaves_one_line_of_json(story: Story, hostile: Hostile, pki: Pki, images: Images) -> None:
    image = images.small()
    hostile.serve("registry.test", image_answers(image, "team/app", "1.0.0"))
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        for _ in range(2):
            client.request("GET", "/v2/team/app/manifests/1.0.0", {"Accept": image.top.media_type})
    first, second = proxy.access(at_least=2)
    for line, outcome in ((first, "miss"), (second, "hit")):
        expected = {
            "client": "127.0.0.1",
            "authority": "registry.test",
            "repository": "team/app",
            "reference": "1.0.0",
            "kind": "manifest",
            "method": "GET",
            "status": 200,
            "bytes": image.top.size,
            "outcome": outcome,
            "tier": "release",
        }
        assert {name: line[name] for name in expected} == expected
        assert isinstance(line["milliseconds"], int | float)


def test_sigterm_lets_a_transfer_end_and_exits_0(story: Story, hostile: Hostile, pki: Pki) -> None:
    gate = Event()
    body = Generated(4 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on("registry.test", path, Answer(200, (), body, hold=2 * MIB, gate=gate))
    proxy = story.proxy(policy(hostile_block(hostile, pki)))
    digests: list[str] = []

    def read() -> None:
        with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
            digests.append(client.get(path).digest)

    reader = Thread(target=read)
    reader.start()
    until(lambda: hostile.seen("registry.test", path), 20, "the upstream request")
    stopper = Thread(target=lambda: proxy.process.stop(signal.SIGTERM, 20))
    stopper.start()
    until(lambda: not proxy.ready(), 20, "readiness ends with SIGTERM")
    assert proxy.process.running
    gate.set()
    reader.join(20)
    stopper.join(20)
    assert digests == [body.digest]
    assert proxy.process.wait() == 0


def test_sigterm_does_not_wait_for_ever(story: Story, hostile: Hostile, pki: Pki) -> None:
    body = Generated(4 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on("registry.test", path, Answer(200, (), body, hold=2 * MIB, gate=Event()))
    proxy = story.proxy(policy(hostile_block(hostile, pki)), arguments=("--drain", "1s"))
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        assert client.send("GET", path).read(MIB)
        assert proxy.stop(10) == 0
