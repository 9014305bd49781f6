"""The CA's life as operators and clients see it: brought along, replaced while running, ended, and mended."""

import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from regproxy.cli.admin import call
from regproxy.tls.authority import create
from regproxy.tls.requests import request_leaf
from regproxy.tls.rotation import abort, activate, finish, prepare
from tests.e2e.conftest import Images, Story, hostile_block
from tests.lab.certificates import Pki
from tests.lab.client import Client, Refused, connect
from tests.lab.hostile import Hostile
from tests.lab.peers import need
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy, regproxy, regproxy_environment
from tests.lab.registry import Registry
from tests.tls.making import DAY, Made, make, place
from tests.tls.test_requests import signed

HOST = "registry.test"
PING = "/v2/"
CHALLENGED = 401  # by the proxy itself: whoever sees it has made its handshake
TUNNELS = 'tunnel { ports any; allow-address "127.0.0.0/8"; }\n'


def made(name: str, issuer: Made | None = None, *, days: float = 400, **more: object) -> Made:
    """A CA that is valid by the real clock; `days` until it ends."""
    now = time.time()
    return make(name, issuer, begins=now - 10 * DAY, ends=now + days * DAY, **more)  # type: ignore[arg-type]


def ca_lines(proxy: Proxy) -> list[dict[str, object]]:
    return [line for line in proxy.log() if line["event"] == "ca"]


def hang_up(proxy: Proxy) -> dict[str, object]:
    """SIGHUP, and what the log then says of the CA."""
    before = len(ca_lines(proxy))
    os.kill(proxy.process.pid, signal.SIGHUP)
    until(lambda: len(ca_lines(proxy)) > before, 20, "the CA's log line")
    return ca_lines(proxy)[before]


def ping(proxy: Proxy, trust: Path) -> int:
    with Client(proxy.port, trust, f"{HOST}:443") as client:
        return client.get(PING).status


@pytest.mark.parametrize("workers", [1, 2])
def test_another_ca_is_in_force_without_a_restart_and_a_broken_one_is_not(
    story: Story, hostile: Hostile, pki: Pki, workers: int, tmp_path: Path
) -> None:
    proxy = story.proxy(policy(hostile_block(hostile, pki)), workers=workers)
    directory, first = proxy.directory / "ca", proxy.ca_file
    root = made("Corporate Root")
    issuing = made("Corporate Issuing", root)
    (tmp_path / "root.pem").write_bytes(root.pem)
    with Client(proxy.port, first, f"{HOST}:443") as before:
        assert before.get(PING).status == CHALLENGED
        place(directory, issuing.pem + root.pem, issuing.key_pem())
        assert hang_up(proxy)["result"] == "success"
        assert (proxy.cache / "ca-sha256").read_text().strip() == hang_up(proxy)["fingerprint"]
        until(lambda: proxy.get("/ca.crt")[1] == root.pem, 20, "/ca.crt with the new root")
        assert before.get(PING).status == CHALLENGED, "a connection that is there goes on"
        assert ping(proxy, tmp_path / "root.pem") == CHALLENGED
        with pytest.raises(ssl.SSLCertVerificationError):
            ping(proxy, first)

    (directory / "ca.key").write_bytes(made("other").key_pem())
    line = hang_up(proxy)
    assert line["result"] == "failure"
    assert "not the key of the first certificate" in str(line["findings"])
    assert ping(proxy, tmp_path / "root.pem") == CHALLENGED
    assert proxy.get("/readyz", proxy.metrics_port)[0] == 200
    metrics = proxy.metrics()
    assert metrics["regproxy_ca_last_reload_successful"] == 0
    assert metrics['regproxy_ca_reloads_total{result="failure"}'] == 1
    assert abs(metrics["regproxy_ca_not_after_timestamp_seconds"] - (time.time() + 400 * DAY)) < DAY


def test_with_an_ended_ca_tunnels_go_on_interception_says_why_and_a_new_one_mends_it(
    story: Story, hostile: Hostile, pki: Pki, tmp_path: Path
) -> None:
    ended = made("Ended", days=-1)
    directory = place(_parents(story.directory / "proxy" / "ca"), ended.pem, ended.key_pem())
    text = policy(hostile_block(hostile, pki), head=TUNNELS)
    proxy = Proxy(story.processes, story.directory / "proxy", text, arguments=("--workers", str(story.workers)))
    proxy.process.start()
    proxy.process.wait_ready(lambda: _answers(proxy))
    until(lambda: proxy.get("/readyz", proxy.metrics_port)[1].startswith(b"the CA "), 20, "why it is not ready")
    status, why = proxy.get("/readyz", proxy.metrics_port)
    assert status == 503
    assert b"ca.crt ended on" in why
    with pytest.raises(Refused) as refused:
        connect(proxy.port, f"{HOST}:443")
    assert refused.value.status == 503
    assert "cannot intercept registry.test: the CA" in refused.value.reason
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        connect(proxy.port, f"127.0.0.1:{server.getsockname()[1]}") as client,
    ):
        there, _ = server.accept()
        with there:
            there.sendall(b"through")
            assert client.recv(16) == b"through"
    assert any("ended on" in str(line.get("message")) for line in proxy.log() if line["event"] == "warning")

    renewed = made("Renewed")
    place(directory, renewed.pem, renewed.key_pem())
    (tmp_path / "root.pem").write_bytes(renewed.pem)
    assert hang_up(proxy)["result"] == "success"
    until(proxy.ready, 20, "readiness")
    assert ping(proxy, tmp_path / "root.pem") == CHALLENGED


def _answers(proxy: Proxy) -> bool:
    try:
        return proxy.get("/")[0] == 200
    except OSError:
        return False


def _parents(directory: Path) -> Path:
    directory.parent.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.mark.real
def test_the_seeds_ca_directory_is_used_as_it_is_by_a_real_client(
    story: Story, both: str, quay: Registry, images: Images
) -> None:
    """Its key is RSA under the seed's pass phrase, its certificate without constraints; clients trust it already."""
    need("openssl")
    directory = story.directory / "proxy" / "ca"
    directory.mkdir(parents=True)
    seed = made("DockerMirrorBox CA Root", key=rsa.generate_private_key(65537, 2048))
    (directory / "plain.key").write_bytes(seed.key_pem())
    _openssl("rsa", "-des3", "-in", directory / "plain.key", "-out", directory / "ca.key", "-passout", "pass:foobar")
    (directory / "plain.key").unlink()
    (directory / "ca.crt").write_bytes(seed.pem)
    (directory / "ca.srl").write_text("01\n")
    before = {path.name: path.read_bytes() for path in directory.iterdir()}

    quay.push(images.small(), "team/app:1")
    proxy = story.proxy(both)
    assert proxy.ca_file.read_bytes() == seed.pem
    assert story.client("skopeo", proxy).pull("quay.io/team/app:1").ok
    warnings = " ".join(str(line.get("message")) for line in proxy.log() if line["event"] == "warning")
    assert "no name constraints" in warnings
    assert "published pass phrase" in warnings
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.real
@pytest.mark.parametrize("client", ["skopeo", "containerd"])
def test_a_banks_issuing_ca_changes_nothing_on_nodes_that_trust_its_root(
    story: Story, both: str, quay: Registry, images: Images, client: str
) -> None:
    root = made("Bank Root", path_length=1)
    issuing = made("Bank Issuing", root, path_length=0)
    place(_parents(story.directory / "proxy" / "ca"), issuing.pem + root.pem, issuing.key_pem())
    quay.push(images.small(), "team/app:1")
    proxy = story.proxy(both)
    assert x509.load_pem_x509_certificates(proxy.ca_file.read_bytes()) == [root.certificate]
    pulled = story.client(client, proxy).pull("quay.io/team/app:1")
    assert pulled.ok, pulled.output


def test_a_host_outside_the_ca_is_refused_at_start_until_another_ca_certifies_it(
    story: Story, hostile: Hostile, pki: Pki, tmp_path: Path
) -> None:
    directory = _parents(story.directory / "proxy" / "ca")
    create(directory, ["quay.io"], time.time())
    text = policy(hostile_block(hostile, pki))
    (story.directory / "other.policy").write_text(text)
    command = regproxy("serve", "--policy", str(story.directory / "other.policy"), "--ca-dir", str(directory))
    command += ["--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run(command, env=regproxy_environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "error[RP310]" in done.stderr
    assert f"regproxy ca issue --csr '{HOST}'" in done.stderr

    path = request_leaf(directory, [HOST])
    corporate = made("Corporate Root")
    path.with_suffix(".crt").write_bytes(signed(path, corporate) + corporate.pem)
    (tmp_path / "corporate.pem").write_bytes(corporate.pem)
    proxy = story.proxy(text)
    assert ping(proxy, tmp_path / "corporate.pem") == CHALLENGED


@pytest.mark.real
def test_a_rotation_is_seen_by_no_client_that_trusts_what_is_handed_out(
    story: Story, both: str, quay: Registry, images: Images, admin_socket: Path
) -> None:
    quay.push(images.small(), "team/app:1")
    proxy = story.proxy(both, arguments=["--admin", f"unix:{admin_socket}"])
    skopeo = story.client("skopeo", proxy)

    def roots() -> int:
        return len(x509.load_pem_x509_certificates(proxy.get("/ca.crt")[1]))

    def step(take: Callable[[], object], *, hands_out: int) -> None:
        """Take a step, and wait until the running proxy has."""
        before = len(ca_lines(proxy))
        take()
        os.kill(proxy.process.pid, signal.SIGHUP)
        until(lambda: len(ca_lines(proxy)) > before, 20, "the CA's log line")
        until(lambda: roots() == hands_out, 20, f"{hands_out} in /ca.crt")

    def clients() -> dict[str, Any]:
        return call(f"unix:{admin_socket}", "GET", "/ca", {})

    directory = proxy.directory / "ca"
    old_trust = proxy.directory / "old.pem"
    old_trust.write_bytes(proxy.ca_file.read_bytes())
    step(lambda: prepare(directory, [], time.time()), hands_out=2)
    assert skopeo.pull("quay.io/team/app:1").ok, "nobody need trust the next one yet"
    command = regproxy("ca", "rotate", "--ca-dir", str(directory), "--admin", f"unix:{admin_socket}")
    said = subprocess.run(command, env=regproxy_environment(), check=True, capture_output=True, text=True).stdout
    assert "stage     prepared" in said
    assert "1 fetched /ca.crt" in said
    proxy.bundle.write_bytes(proxy.get("/ca.crt")[1])

    step(lambda: activate(directory, time.time()), hands_out=2)
    assert skopeo.pull("quay.io/team/app:1").ok
    with pytest.raises(ssl.SSLCertVerificationError), Client(proxy.port, old_trust, "quay.io:443"):
        pass
    until(lambda: clients()["refusing"] == 1, 20, "who refuses")
    assert clients()["refusing_named"] == ["127.0.0.1"]
    assert skopeo.pull("quay.io/team/app:1").ok
    until(lambda: clients()["refusing"] == 0, 20, "a client that accepts again")

    step(lambda: abort(directory), hands_out=2)
    with Client(proxy.port, old_trust, "quay.io:443") as client:
        assert client.get(PING).status < 500
    step(lambda: activate(directory, time.time()), hands_out=2)
    step(lambda: finish(directory), hands_out=1)
    assert skopeo.pull("quay.io/team/app:1").ok


@pytest.fixture
def admin_socket() -> Iterator[Path]:
    """A path short enough for a socket."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "admin.sock"


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
