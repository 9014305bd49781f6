"""The image's entry point: as root it hands over two directories and drops everything; else it says what it lacks."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

SCRIPT = Path(__file__).parents[1] / "deploy" / "entrypoint.sh"
UID = 10001
STRANGER = 12345
TELLING = """#!/bin/sh
if [ "$1" = tell ]; then echo "$AUTH_REGISTRIES ${AUTH_REGISTRIES_FILE-gone}"; exit 0; fi
echo "uid $(id -u) gid $(id -G)"
grep -E "CapBnd|CapEff|NoNewPrivs" /proc/self/status
echo "run $*"
"""

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="run as root, with setpriv (util-linux)"
)


@dataclass(frozen=True)
class Container:
    """A place that looks like the image: the entry point, a `regproxy` that tells how it was run, two directories."""

    root: Path

    @property
    def cache(self) -> Path:
        return self.root / "docker_mirror_cache"

    @property
    def ca(self) -> Path:
        return self.root / "ca"

    def start(self, *arguments: str, user: int | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        environ = more | {
            "PATH": f"{self.root}:{os.environ['PATH']}",
            "REGPROXY_CACHE_DIR": str(self.cache),
            "REGPROXY_CA_DIR": str(self.ca),
        }
        command = [str(self.root / "entrypoint.sh"), *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd="/", user=user)


@pytest.fixture
def container() -> Iterator[Container]:
    # Not below tmp_path: pytest's folders are closed to other users.
    with tempfile.TemporaryDirectory(prefix="regproxy-") as name:
        made = Container(Path(name))
        made.root.chmod(0o755)
        shutil.copy(SCRIPT, made.root / "entrypoint.sh")
        (made.root / "regproxy").write_text(TELLING)
        (made.root / "entrypoint.sh").chmod(0o755)
        (made.root / "regproxy").chmod(0o755)
        made.cache.mkdir()
        made.ca.mkdir()
        yield made


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ([], "run serve"),
        (["--listen", "[::]:3128"], "run serve --listen [::]:3128"),
        (["serve", "--drain", "9s"], "run serve --drain 9s"),
        (["policy", "check", "a b.policy"], "run policy check a b.policy"),
    ],
)
def test_flags_alone_mean_serve_and_commands_are_commands(container: Container, given: list[str], run: str) -> None:
    assert container.start(*given).stdout.splitlines()[-1] == run


@as_root
def test_root_hands_over_the_volumes_and_keeps_no_privilege(container: Container) -> None:
    """Docker makes the directories of `-v` as root; the seed left ca.key to root alone."""
    (container.ca / "ca.crt").write_bytes(b"")
    (container.ca / "ca.key").write_bytes(b"")
    (container.ca / "ca.key").chmod(0o600)
    (container.cache / "old").write_bytes(b"")
    ran = container.start()
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in ran.stdout.splitlines())
    assert lines["uid"] == f"{UID} gid {UID}"
    assert int(lines["CapBnd:"], 16) == int(lines["CapEff:"], 16) == 0
    assert lines["NoNewPrivs:"] == "1"
    for path in (container.cache, container.ca, container.ca / "ca.crt", container.ca / "ca.key"):
        assert path.stat().st_uid == UID, path
    assert (container.cache / "old").stat().st_uid == 0, "a cache of a million files is not walked"
    assert (container.ca / "ca.key").stat().st_mode & 0o777 == 0o600


@as_root
def test_a_strangers_directory_is_left_alone_and_named(container: Container) -> None:
    (container.ca / "ca.key").write_bytes(b"")
    os.chown(container.ca, STRANGER, STRANGER)
    os.chown(container.cache, STRANGER, STRANGER)
    ran = container.start()
    assert container.ca.stat().st_uid == container.cache.stat().st_uid == STRANGER
    assert (container.ca / "ca.key").stat().st_uid == 0
    assert f"uid {UID} cannot write {container.cache}" in ran.stderr
    assert f"uid {UID} cannot write {container.ca}, and it holds no CA" in ran.stderr


@as_root
def test_a_link_in_a_volume_does_not_hand_over_what_it_points_to(container: Container) -> None:
    victim = container.root / "victim"
    victim.write_bytes(b"")
    (container.ca / "ca.key").symlink_to(victim)
    container.start()
    assert victim.stat().st_uid == 0


@as_root
def test_another_user_runs_as_it_is_and_says_what_it_cannot_write(container: Container) -> None:
    ran = container.start(user=STRANGER)
    assert ran.stdout.startswith(f"uid {STRANGER} ")
    assert f"uid {STRANGER} cannot write {container.cache}" in ran.stderr
    assert container.cache.stat().st_uid == 0


@as_root
def test_a_secret_comes_from_a_file_that_root_alone_can_read(container: Container) -> None:
    secret = container.root / "secret"
    secret.write_text("auth.docker.io:me:p w\n")
    secret.chmod(0o600)
    assert container.start("tell", AUTH_REGISTRIES_FILE=str(secret)).stdout == "auth.docker.io:me:p w gone\n"
    both = container.start("tell", AUTH_REGISTRIES_FILE=str(secret), AUTH_REGISTRIES="x")
    assert (both.returncode, both.stderr) == (
        2,
        "regproxy: both AUTH_REGISTRIES and AUTH_REGISTRIES_FILE are set; set one of them\n",
    )
    none = container.start("tell", AUTH_REGISTRIES_FILE="/nonexistent")
    assert none.returncode == 1
    assert "AUTH_REGISTRIES_FILE names /nonexistent, which cannot be read" in none.stderr


@as_root
def test_a_root_that_is_read_only_is_named_with_the_way_out(container: Container) -> None:
    folder = container.root / "tmp"
    folder.mkdir(mode=0o755)
    said = container.start(user=STRANGER, TMPDIR=str(folder)).stderr
    assert f"uid {STRANGER} cannot write {folder}; mount a tmpfs there" in said


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_the_proxy_whether_it_is_ready(container: Container, status: int, code: int) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        Thread(target=server.handle_request, daemon=True).start()
        done = container.start("healthcheck", REGPROXY_METRICS=f"0.0.0.0:{server.server_port}")
    assert done.returncode == code, done.stderr
    assert ("not ready: HTTP Error 503" in done.stderr) == bool(code)
