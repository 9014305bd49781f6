"""Who is measured: nginx as the seed configures its caching layer, the seed's two layers, and regproxy; one origin.

The seed's first layer takes a CONNECT and relays bytes to its second, in the same nginx. Debian's nginx knows no
CONNECT, so here the relay is a stream proxy that needs none: what the hop costs is in the figures, its parsing is not.
"""

import hashlib
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.certificates import Leaf, Pki
from tests.lab.client import Client
from tests.lab.peers import search_path
from tests.lab.policies import Block, policy
from tests.lab.processes import Process, Processes, answers, clean_environment, free_port
from tests.lab.proxy import Proxy

NAME = "registry.bench"
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = "/v2/team/app/manifests/latest"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


class Nginx:
    """An nginx with a configuration of its own."""

    def __init__(self, processes: Processes, directory: Path, workers: str, blocks: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        module = f"load_module {STREAM_MODULE};\n" if STREAM_MODULE.exists() else ""
        user = "user root;\n" if os.geteuid() == 0 else ""
        self._file = directory / "nginx.conf"
        self._file.write_text(
            f"{module}{user}worker_processes {workers};\nworker_rlimit_nofile 8192;\nerror_log {directory}/error.log;\n"
            f"pid {directory}/pid;\ndaemon off;\nevents {{ worker_connections 4096; }}\n{blocks}"
        )
        command = ["nginx", "-p", str(directory), "-e", f"{directory}/error.log", "-c", str(self._file)]
        self.process: Process = processes.add(directory.name, command, clean_environment(PATH=search_path()))

    def start(self, port: int) -> None:
        """Start, and wait until the port answers."""
        self.process.start()
        self.process.wait_ready(lambda: answers(port))


def _temporary(directory: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"    {kind}_temp_path {directory}/{kind};\n" for kind in kinds)


class Origin:
    """The registry behind all of them: one layer, one manifest, served by nginx from memory."""

    def __init__(self, processes: Processes, directory: Path, leaf: Leaf, layer_bytes: int) -> None:
        self.port = free_port()
        self._log = directory / "access.log"
        root = directory / "root"
        self.digest, self.size = _write_layer(root / "v2/team/app/blobs", layer_bytes), layer_bytes
        self.layer = f"/v2/team/app/blobs/{self.digest}"
        _write_manifest(root / "v2/team/app/manifests", self.digest, layer_bytes)
        self._nginx = Nginx(
            processes,
            directory,
            "1",
            f"""http {{
{_temporary(directory)}    log_format plain '$request_method $uri $status';
    access_log {self._log} plain;
    sendfile on;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{self.port} ssl backlog=1024;
        ssl_certificate {leaf.certificate};
        ssl_certificate_key {leaf.key};
        root {root};
        location = /v2/ {{ return 200; }}
        location ~ /manifests/ {{ default_type {MEDIA_TYPE}; }}
        location / {{ default_type application/octet-stream; }}
    }}
}}
""",
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._nginx.start(self.port)

    def layers_sent(self) -> int:
        """How often the layer was asked for by GET since the start."""
        return sum(line.startswith(f"GET {self.layer} ") for line in self._log.read_text().splitlines())


def _write_layer(directory: Path, size: int) -> str:
    """A layer of random bytes under its digest."""
    directory.mkdir(parents=True)
    part, digest = directory / "part", hashlib.sha256()
    with part.open("wb") as file:
        for start in range(0, size, 1 << 20):
            piece = os.urandom(min(1 << 20, size - start))
            digest.update(piece)
            file.write(piece)
    name = f"sha256:{digest.hexdigest()}"
    part.rename(directory / name)
    return name


def _write_manifest(directory: Path, layer: str, size: int) -> None:
    """A manifest of two kilobytes that names the layer, under `latest` and under its digest."""
    directory.mkdir(parents=True)
    descriptor = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": size}
    manifest = {"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": descriptor, "layers": [descriptor] * 8}
    text = json.dumps(manifest, indent=2).encode()
    for name in ("latest", f"sha256:{hashlib.sha256(text).hexdigest()}"):
        (directory / name).write_bytes(text)


class Contender(ABC):
    """One of the measured: where it listens, whether that port wants a CONNECT, and its process."""

    name: str
    port: int
    connect: bool

    @abstractmethod
    def restart(self) -> None:
        """Start it anew with an empty cache."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """The process whose family does its work."""


class Seed:
    """The caching layer of the seed, and the relay before it, in one nginx."""

    def __init__(self, processes: Processes, directory: Path, leaf: Leaf, pki: Pki, origin: Origin) -> None:
        self.caching, self.relay = free_port(), free_port()
        self._cache = directory / "cache"
        self.nginx = Nginx(
            processes,
            directory,
            "auto",
            f"""http {{
{_temporary(directory)}    log_format tweaked escape=json
        '{{"access_time":"$time_local","upstream_cache_status":"$upstream_cache_status","method":"$request_method",'
        '"uri":"$uri","status":"$status","bytes_sent":"$body_bytes_sent","host":"$host"}}';
    access_log {directory}/access.log tweaked;
    sendfile on;
    keepalive_timeout 300s;
    keepalive_requests 1000000;
    proxy_cache_path {self._cache} levels=1:2 inactive=60d max_size=32g keys_zone=cache:10m use_temp_path=off;
    server {{
        listen 127.0.0.1:{self.caching} ssl backlog=1024;
        ssl_certificate {leaf.certificate};
        ssl_certificate_key {leaf.key};
        proxy_ssl_trusted_certificate {pki.root};
        proxy_ssl_verify on;
        proxy_ssl_verify_depth 3;
        proxy_ssl_server_name on;
        proxy_ssl_name {NAME};
        proxy_set_header Host {NAME};
        proxy_read_timeout 900;
        proxy_buffer_size 128k;
        proxy_buffers 4 256k;
        proxy_force_ranges on;
        proxy_ignore_client_abort on;
        proxy_cache_revalidate on;
        proxy_cache cache;
        proxy_cache_key $uri;
        proxy_cache_valid 200 206 60d;
        proxy_cache_lock on;
        proxy_cache_lock_timeout 880s;
        proxy_ignore_headers X-Accel-Expires Expires Cache-Control Set-Cookie;
        add_header X-Docker-Registry-Proxy-Cache-Upstream-Status "$upstream_cache_status";
        location / {{ proxy_pass https://127.0.0.1:{origin.port}; }}
    }}
}}
stream {{
    server {{ listen 127.0.0.1:{self.relay} backlog=1024; proxy_pass 127.0.0.1:{self.caching}; tcp_nodelay on; }}
}}
""",
        )

    def restart(self) -> None:
        """Stop it, empty its cache, start it."""
        self.nginx.process.stop()
        shutil.rmtree(self._cache, ignore_errors=True)
        self.nginx.start(self.caching)


@dataclass(slots=True)
class NginxContender(Contender):
    """One of the two ports of the seed's nginx."""

    name: str
    seed: Seed
    port: int
    connect: bool = False

    def restart(self) -> None:
        """Start the nginx anew; the other port restarts with it."""
        self.seed.restart()

    @property
    def pid(self) -> int:
        """The master of the nginx."""
        return self.seed.nginx.process.pid


class RegproxyContender(Contender):
    """regproxy as its users run it, under the packaged tiers."""

    name = "regproxy"
    connect = True

    def __init__(
        self, processes: Processes, directory: Path, pki: Pki, origin: Origin, arguments: Sequence[str]
    ) -> None:
        block = Block("bench", (NAME,), {NAME: origin.port}, pki.root)
        self.proxy = Proxy(processes, directory, policy(block), arguments=arguments)
        self.port = self.proxy.port

    def restart(self) -> None:
        """Stop it, empty its cache, start it."""
        self.proxy.stop()
        shutil.rmtree(self.proxy.cache, ignore_errors=True)
        self.proxy.start()

    @property
    def pid(self) -> int:
        """Its first process."""
        return self.proxy.process.pid

    def token(self) -> str:
        """The token that an anonymous client is given."""
        with Client(self.port, self.proxy.ca_file, f"{NAME}:443") as client:
            return str(json.loads(client.get(f"/v2/_regproxy/token?service={NAME}").body)["token"])
