"""The real programs that the end-to-end tests drive: which exist here, and what to install where one is missing."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest


@dataclass(frozen=True, slots=True)
class Peer:
    """One real program: the commands and files it consists of, and Debian's package for it."""

    commands: tuple[str, ...]
    package: str
    root: bool = False
    files: tuple[str, ...] = ()


PEERS = {
    "docker-registry": Peer(("docker-registry",), "docker-registry"),
    "skopeo": Peer(("skopeo",), "skopeo"),
    "podman": Peer(("podman",), "podman", root=True),
    "containerd": Peer(("containerd", "ctr"), "containerd", root=True),
    "dockerd": Peer(("dockerd", "docker", "containerd"), "docker.io", root=True),
    "zstd": Peer(("zstd",), "zstd"),
    "openssl": Peer(("openssl",), "openssl"),
    "gnutls": Peer(("certtool",), "gnutls-bin"),
    "git": Peer(("git",), "git"),
    "nginx": Peer(("nginx",), "nginx"),
    "nginx-stream": Peer(
        ("nginx",), "nginx libnginx-mod-stream", files=("/usr/lib/nginx/modules/ngx_stream_module.so",)
    ),
    "systemd": Peer(("unshare", "nsenter"), "systemd util-linux", root=True, files=("/lib/systemd/systemd",)),
    "strace": Peer(("strace",), "strace"),
    "curl": Peer(("curl",), "curl"),
    "shellcheck": Peer(("shellcheck",), "shellcheck"),
    "promtool": Peer(("promtool",), "prometheus"),
    "prometheus": Peer(("prometheus",), "prometheus"),
    "groff": Peer(("groff",), "groff-base"),
    "jsonnet": Peer(("jsonnet",), "jsonnet"),
    "chromium": Peer(("chromium",), "chromium"),
    "cc": Peer(("cc",), "gcc libc6-dev libssl-dev", files=("/usr/include/openssl/ssl.h",)),
}


def missing(name: str) -> str:
    """Why the peer cannot run here, with the way out; empty if it can."""
    peer = PEERS[name]
    absent = [command for command in peer.commands if shutil.which(command, path=search_path()) is None]
    absent += [file for file in peer.files if not Path(file).exists()]
    if absent:
        return f"{name}: no {', '.join(absent)} here; apt-get install --no-install-recommends {peer.package}"
    if peer.root and os.geteuid() != 0:
        return f"{name}: needs root; run the tests as root"
    return ""


def need(*names: str) -> None:
    """Skip the test where a peer is missing; with CI=true fail it, so that nothing goes untested in silence."""
    reasons = "; ".join(reason for reason in map(missing, names) if reason)
    if reasons:
        lack(reasons)


def need_root(why: str) -> None:
    """The same for what only root can do."""
    if os.geteuid() != 0:
        lack(f"{why}; run the tests as root")


def lack(reason: str) -> NoReturn:
    """Skip the test and say what to do about it; with CI=true fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def search_path() -> str:
    """PATH with the system folders in which Debian puts daemons."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
