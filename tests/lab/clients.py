"""Real clients that pull through the proxy: skopeo, podman, containerd with ctr, dockerd with docker.

Each has folders, sockets and trust of its own, and reports what it printed and which digests it then holds.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.lab.images import Image, sha256
from tests.lab.peers import search_path
from tests.lab.processes import Process, Processes, clean_environment
from tests.lab.proxy import Proxy

_TIMEOUT = 60.0
_PUSH = 300.0


@dataclass(frozen=True, slots=True)
class Pulled:
    """How a pull ended: what the user saw, and the manifest digests that the client now knows the image by."""

    ok: bool
    output: str
    digests: frozenset[str]
    seconds: float


class Puller(Protocol):
    """What every client can do."""

    name: str

    def pull(self, reference: str) -> Pulled:
        """Pull `host/repository:tag`."""
        ...

    def remove(self, reference: str) -> None:
        """Forget the image and its layers, so that the next pull asks for everything again."""
        ...

    def push(self, image: Image, reference: str) -> tuple[bool, str]:
        """Put an image of one platform under `host/repository:tag`; whether that went well, and what was printed."""
        ...


def proxied(proxy: Proxy, home: Path, url: str = "") -> dict[str, str]:
    """The environment of a client that uses the proxy, by `url` if given, trusts its CA and reads no configuration."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "auth.json").write_text("{}")  # podman wants the file to exist
    return clean_environment(
        HTTPS_PROXY=url or proxy.url,
        HTTP_PROXY=url or proxy.url,
        NO_PROXY="",
        SSL_CERT_FILE=str(proxy.bundle),
        SSL_CERT_DIR="/nonexistent",  # Go reads file and folder: without this the system's folder counts too
        PATH=search_path(),
        HOME=str(home),
        XDG_RUNTIME_DIR=str(home),
        DOCKER_CONFIG=str(home),
        REGISTRY_AUTH_FILE=str(home / "auth.json"),
    )


def run(command: list[str], environment: Mapping[str, str], timeout: float = _TIMEOUT) -> tuple[bool, str, float]:
    """Whether the command succeeded, what it printed, and how many seconds it took; `timeout` ends it as a failure."""
    began = time.monotonic()
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output = process.communicate()[0] + f"\n{command[0]}: still running after {timeout:g} s"
    return process.returncode == 0, output, time.monotonic() - began


def _expect(command: list[str], environment: Mapping[str, str]) -> str:
    ok, output, _ = run(command, environment)
    if not ok:
        raise AssertionError(f"{' '.join(command)}: {output}")
    return output


class Skopeo:
    """`skopeo copy` of every platform into a folder; `credentials` are `user:password`."""

    name = "skopeo"

    def __init__(self, environment: dict[str, str], directory: Path, credentials: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._environment = environment
        self._directory = directory
        self._credentials = ["--src-creds", credentials] if credentials else []
        self._pulls = 0

    def pull(self, reference: str) -> Pulled:
        self._pulls += 1
        target = self._directory / f"pull-{self._pulls}"
        command = ["skopeo", "copy", "--all", "--insecure-policy", "--preserve-digests", *self._credentials]
        command += ["--src-tls-verify=false"] if reference.startswith("127.0.0.1:") else []
        ok, output, seconds = run([*command, f"docker://{reference}", f"dir:{target}"], self._environment)
        digests = frozenset({sha256((target / "manifest.json").read_bytes())} if ok else ())
        return Pulled(ok, output, digests, seconds)

    def push(self, image: Image, reference: str) -> tuple[bool, str]:
        credentials = ["--dest-creds", self._credentials[1]] if self._credentials else []
        command = ["skopeo", "copy", "--insecure-policy", "--preserve-digests", *credentials]
        return run([*command, f"dir:{image.path}", f"docker://{reference}"], self._environment, _PUSH)[:2]

    def remove(self, reference: str) -> None:
        """Nothing: every pull has a new folder."""


class Podman:
    """`podman pull` into storage of its own."""

    name = "podman"

    def __init__(self, environment: dict[str, str], directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._environment = environment
        self._command = ["podman", "--root", str(directory / "root"), "--runroot", str(directory / "run")]
        self._command += ["--tmpdir", str(directory / "tmp"), "--storage-driver", "vfs", "--events-backend=none"]

    def pull(self, reference: str) -> Pulled:
        ok, output, seconds = run([*self._command, "pull", reference], self._environment)
        return Pulled(ok, output, self._digests(reference) if ok else frozenset(), seconds)

    def _digests(self, reference: str) -> frozenset[str]:
        command = [*self._command, "image", "inspect", "--format", "{{json .RepoDigests}}", reference]
        return _after_at(json.loads(_expect(command, self._environment)))

    def push(self, image: Image, reference: str) -> tuple[bool, str]:
        name = _expect([*self._command, "pull", "-q", f"dir:{image.path}"], self._environment).strip()
        return run([*self._command, "push", name, f"docker://{reference}"], self._environment, _PUSH)[:2]

    def remove(self, reference: str) -> None:
        _expect([*self._command, "rmi", "-f", "-a"], self._environment)


class Containerd:
    """A containerd of its own, pulled into with ctr, which is the one that asks the registry."""

    name = "containerd"

    def __init__(
        self,
        processes: Processes,
        environment: dict[str, str],
        directory: Path,
        credentials: str = "",
        hosts: Path | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._environment = environment
        self._directory = directory
        self._command = ["ctr", "-a", str(directory / "c.sock")]
        self._credentials = ["--user", credentials] if credentials else []
        self._credentials += ["--hosts-dir", str(hosts)] if hosts else []
        configuration = directory / "config.toml"
        configuration.write_text(
            f'version = 2\nroot = "{directory / "root"}"\nstate = "{directory / "state"}"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\naddress = "{directory / "c.sock"}"\n'
        )
        self._process = processes.add("containerd", ["containerd", "-c", str(configuration)], environment)

    def start(self) -> "Containerd":
        """Start the daemon and wait until ctr reaches it."""
        _start(self._process, [*self._command, "version"], self._environment)
        return self

    def pull(self, reference: str) -> Pulled:
        ok, output, seconds = run([*self._command, "images", "pull", *self._credentials, reference], self._environment)
        return Pulled(ok, output, self._digests(reference) if ok else frozenset(), seconds)

    def _digests(self, reference: str) -> frozenset[str]:
        listing = _expect([*self._command, "images", "ls", f"name=={reference}"], self._environment)
        return frozenset(word for word in listing.split() if word.startswith("sha256:"))

    def push(self, image: Image, reference: str) -> tuple[bool, str]:
        archive = _archive(image, "oci-archive", self._directory, reference)
        _expect([*self._command, "images", "import", "--index-name", reference, archive], self._environment)
        return run([*self._command, "images", "push", *self._credentials, reference], self._environment, _PUSH)[:2]

    def remove(self, reference: str) -> None:
        _expect([*self._command, "images", "rm", "--sync", reference], self._environment)


class Dockerd:
    """A dockerd of its own, without bridge or firewall rules, driven by the docker command."""

    name = "dockerd"

    def __init__(
        self, processes: Processes, environment: dict[str, str], directory: Path, configuration: str = "{}"
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._environment = environment
        self._directory = directory
        socket = f"unix://{directory / 'd.sock'}"
        self._command = ["docker", "-H", socket]
        (directory / "daemon.json").write_text(configuration)
        command = ["dockerd", "--config-file", str(directory / "daemon.json"), "--data-root", str(directory / "data")]
        command += ["--exec-root", str(directory / "exec"), "--pidfile", str(directory / "pid"), "-H", socket]
        command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        command += ["--bridge=none", "--storage-driver=overlay2"]
        self._process = processes.add("dockerd", command, environment)

    def start(self) -> "Dockerd":
        """Start the daemon and wait until docker reaches it."""
        _start(self._process, [*self._command, "version"], self._environment)
        return self

    def login(self, host: str, user: str, password: str) -> tuple[bool, str]:
        """`docker login`, to Docker Hub where no host is named; whether it succeeded, and what it said."""
        command = [*self._command, "login", "--username", user, "--password", password, *([host] if host else [])]
        return run(command, self._environment)[:2]

    def pull(self, reference: str) -> Pulled:
        ok, output, seconds = run([*self._command, "pull", reference], self._environment)
        return Pulled(ok, output, self._digests(reference) if ok else frozenset(), seconds)

    def _digests(self, reference: str) -> frozenset[str]:
        command = [*self._command, "image", "inspect", "--format", "{{json .RepoDigests}}", reference]
        return _after_at(json.loads(_expect(command, self._environment)))

    def push(self, image: Image, reference: str) -> tuple[bool, str]:
        archive = _archive(image, "docker-archive", self._directory, reference)
        _expect([*self._command, "load", "-i", archive], self._environment)
        return run([*self._command, "push", reference], self._environment, _PUSH)[:2]

    def remove(self, reference: str) -> None:
        _expect([*self._command, "rmi", "-f", reference], self._environment)


def _archive(image: Image, kind: str, directory: Path, reference: str) -> str:
    """The image as one file, for clients that load what they push."""
    file = directory / f"{image.digest.partition(':')[2]}.tar"
    named = f"{kind}:{file}" + (f":{reference}" if kind == "docker-archive" else "")
    command = ["skopeo", "copy", "-q", "--insecure-policy", f"dir:{image.path}", named]
    _expect(command, clean_environment(HOME=os.fspath(directory)))
    return str(file)


def _start(process: Process, probe: list[str], environment: dict[str, str]) -> None:
    process.start()
    process.wait_ready(lambda: run(probe, environment)[0], 30)


def _after_at(references: list[str]) -> frozenset[str]:
    return frozenset(reference.partition("@")[2] for reference in references)


def direct(directory: Path) -> Skopeo:
    """skopeo without any proxy: what a pull should give."""
    return Skopeo(clean_environment(HOME=os.fspath(directory)), directory)
