"""The seed's documented commands with the image's name swapped, on directories that docker made and the seed filled."""

import hashlib
import http.client
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.test_ca import made
from tests.lab.policies import REPOSITORY
from tests.lab.processes import Process, free_port, until
from tests.lab.proxy import regproxy_environment

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="run as root, with setpriv (util-linux)"
)
UID = "10001"
SERVICE_KEY = '{\n  "type": "service_account",\n  "private_key": "-----BEGIN: a b;; c-----"\n}'
GOOGLE = f"gcr.io:::_json_key:::{SERVICE_KEY};;;auth.docker.io:::me:::secret"
WORDS = b"docker-registry-proxy: The docker caching proxy is working!"
RUN = "docker run --rm --name docker_registry_proxy -it -p 0.0.0.0:3128:3128 -e ENABLE_MANIFEST_CACHE=true"
VOLUMES = "-v $(pwd)/docker_mirror_cache:/docker_mirror_cache -v $(pwd)/docker_mirror_certs:/ca"
IMAGE = "regproxy"
COMMANDS = {
    "simple": f"{RUN} {VOLUMES} {IMAGE}",
    "Docker Hub's login": (
        f'{RUN} {VOLUMES} -e REGISTRIES="k8s.gcr.io gcr.io quay.io your.own.registry another.public.registry"'
        f' -e AUTH_REGISTRIES="auth.docker.io:dockerhub_user:dockerhub_password your.own.registry:username:a-password"'
        f" {IMAGE}"
    ),
    "GitLab": (
        f'{RUN} {VOLUMES} -e REGISTRIES="reg.example.com git.example.com"'
        f' -e AUTH_REGISTRIES="git.example.com:USER:PASSWORD" {IMAGE}'
    ),
    "Google's key file": (
        f'{RUN} {VOLUMES} -e REGISTRIES="k8s.gcr.io gcr.io quay.io" -e AUTH_REGISTRIES_DELIMITER=";;;"'
        f" -e AUTH_REGISTRY_DELIMITER=:::"
        f" -e AUTH_REGISTRIES={shlex.quote(GOOGLE)} {IMAGE}"
    ),
    "kind": f"{RUN} --net kind --hostname docker-registry-proxy {VOLUMES} {IMAGE}",
    "k3d": (
        "docker run -d --name registry-proxy --restart=always"
        f" -v /tmp/registry-proxy/mirror_cache:/docker_mirror_cache -v /tmp/registry-proxy/certs:/ca {IMAGE}"
    ),
}
COMPOSE = """\
version: '3.7'
services:
  docker_registry_proxy:
    image: regproxy
    env_file:
      - ./secrets.env
    environment:
      - CACHE_MAX_SIZE=256g
      - ENABLE_MANIFEST_CACHE=true
    volumes:
      - ./docker_mirror_cache:/docker_mirror_cache
      - ./docker_mirror_certs:/ca
    ports:
      - 0.0.0.0:3128:3128
"""
SECRETS = """\
# DockerHub authentication
REGISTRIES="k8s.gcr.io gcr.io quay.io" # There is no need to specify auth.docker.io, it's built-in
AUTH_REGISTRIES="auth.docker.io:your_username:your_password"
"""


@dataclass(frozen=True)
class Given:
    """What a command asks docker for: variables, and the names of the volumes inside."""

    environ: dict[str, str]
    volumes: tuple[str, ...]


def given_by(command: str) -> Given:
    """Read a `docker run` as docker reads it; the image's entry point gets no arguments."""
    words = shlex.split(command.replace("$(pwd)", "."))
    assert words[:2] == ["docker", "run"]
    assert words[-1] == IMAGE
    valued = [(flag, value) for flag, value in pairwise(words) if flag in ("-e", "-v")]
    environ = dict(value.split("=", 1) for flag, value in valued if flag == "-e")
    return Given(environ, tuple(value.rpartition(":")[2] for flag, value in valued if flag == "-v"))


def composed(text: str, files: dict[str, str]) -> Given:
    """Read a compose file with its `env_file`s; lines of those are taken literally, as compose 1 takes them."""
    (service,) = yaml.safe_load(text)["services"].values()
    assert service["image"] == IMAGE
    lines = [line for name in service["env_file"] for line in files[name].splitlines() if not line.startswith("#")]
    environ = dict(line.split("=", 1) for line in (*lines, *service["environment"]))
    return Given(environ, tuple(volume.rpartition(":")[2] for volume in service["volumes"]))


class Container:
    """A place that looks like the image, with volumes of root's that the seed filled; the real proxy runs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port, self.metrics_port = free_port(), free_port()
        self.ca, self.cache = root / "ca", root / "docker_mirror_cache"
        (root / "bin").mkdir()
        self.program = root / "bin" / "regproxy"
        self._write(sys.executable)
        self.program.chmod(0o755)
        root.chmod(0o755)
        self._volumes()

    def _write(self, python: str) -> None:
        path = f"{REPOSITORY}:{sysconfig.get_path('purelib')}"
        self.program.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {shlex.quote(python)} -m regproxy "$@"\n')

    def runs(self) -> bool:
        """Whether an unprivileged user can run the proxy here; Debian's own Python may where ours lies in /root."""
        drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", str(self.program), "--version"]
        for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
            self._write(python)
            if subprocess.run(drop, env=regproxy_environment(), capture_output=True, check=False).returncode == 0:
                return True
        return False

    def _volumes(self) -> None:
        self.ca.mkdir()
        self.cache.mkdir()
        seed = made("DockerMirrorBox CA Root", key=rsa.generate_private_key(65537, 2048))
        (self.ca / "ca.crt").write_bytes(seed.pem)
        (self.ca / "ca.srl").write_text("01\n")
        (self.ca / "ca.key").write_bytes(seed.key_pem(b"foobar"))
        (self.ca / "ca.key").chmod(0o600)
        name = hashlib.md5(b"/v2/library/redis/blobs/sha256:00", usedforsecurity=False).hexdigest()
        self.seeds = self.cache / name[-1] / name[-3:-1] / name
        self.seeds.parent.mkdir(parents=True)
        self.seeds.write_bytes(b"\x05nginx's")
        self.seeds.chmod(0o600)

    def process(self, given: Given) -> Process:
        """The entry point as `docker run` starts it: the image's variables, then the command's."""
        assert set(given.volumes) == {"/docker_mirror_cache", "/ca"}
        environment = regproxy_environment() | {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "REGPROXY_CACHE_DIR": str(self.cache),
            "REGPROXY_CA_DIR": str(self.ca),
            "REGPROXY_METRICS": f"127.0.0.1:{self.metrics_port}",
            "REGPROXY_LISTEN": f"127.0.0.1:{self.port}",
            "REGPROXY_WORKERS": "1",
        }
        entry = str(REPOSITORY / "deploy" / "entrypoint.sh")
        return Process("regproxy", ["sh", entry], self.root / "log", environment | given.environ)

    def get(self, path: str) -> bytes:
        """A page on the proxy port, empty while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except OSError:
            return b""
        finally:
            connection.close()


@pytest.fixture
def container() -> Iterator[Container]:
    with tempfile.TemporaryDirectory(prefix="regproxy-") as name:
        place = Container(Path(name))
        if not place.runs():
            # Where the copy was put is no peer that could be installed: the same under CI.
            pytest.skip("this working copy or its Python lies where no other user may read; clone it below /srv")
        yield place


def runs_as_ever(container: Container, given: Given) -> str:
    """Run it, look at what the seed's users look at, and end it; what it wrote."""
    certificate = (container.ca / "ca.crt").read_bytes()
    process = container.process(given)
    process.start()
    try:
        process.wait_ready(lambda: WORDS in container.get("/"))
        assert container.get("/ca.crt") == certificate, "no node trusts anew"
        assert b"/etc/systemd/system/docker.service.d" in container.get("/setup/systemd")
        assert f"Uid:\t{UID}" in Path(f"/proc/{process.pid}/status").read_text()
        assert container.seeds.read_bytes() == b"\x05nginx's", "the seed's files stay"
        until(lambda: '"event"' in process.output(), 20, "the log")
    finally:
        assert process.stop() == 0
    return process.output()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_of_the_seeds_readme_works(container: Container, command: str) -> None:
    given = given_by(command)
    said = runs_as_ever(container, given)
    assert ("policy: seed" in said) == ("ENABLE_MANIFEST_CACHE" in given.environ)
    for secret in ("dockerhub_password", "a-password", "PASSWORD", "private_key", "me:secret"):
        assert secret not in said


def test_the_seeds_compose_file_works_with_the_quotes_of_its_env_file(container: Container) -> None:
    given = composed(COMPOSE, {"./secrets.env": SECRETS})
    assert given.environ["REGISTRIES"].startswith('"')
    said = runs_as_ever(container, given)
    assert "policy: seed (from REGISTRIES, AUTH_REGISTRIES, ENABLE_MANIFEST_CACHE)" in said
    assert "your_password" not in said
