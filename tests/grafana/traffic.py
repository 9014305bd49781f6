"""Traffic that moves every metric: pulls, limits, an outage, evictions, reloads, and clients that are not set up."""

import itertools
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from random import Random
from threading import Event, Thread

from tests.e2e.test_reload import reload
from tests.lab.answers import Answer, Received, abused, blob, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client, Refused, connect
from tests.lab.hostile import Hostile
from tests.lab.hub import MANIFEST_TYPE, Hub
from tests.lab.images import sha256
from tests.lab.policies import Block, policy
from tests.lab.processes import free_port
from tests.lab.proxy import Proxy

HUB, GHCR, QUAY, GCR, TOKENS = "registry-1.docker.io", "ghcr.io", "quay.io", "gcr.io", "auth.docker.io"
LAYER, CACHE = 1 << 18, "6MiB"
LAYERS = 40  # more than the cache holds
PAUSE = 0.05
TUNNELS = 'tunnel { ports any; allow-address "127.0.0.0/8"; }\n'
TIERS = """
tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier release { match kind is manifest and tag like "v*"; fresh 1h; }
tier tags { match kind is manifest; fresh 0s; stale if-error 7d on [error, 429, 5xx]; }
tier rest { match any; pass; }
"""


def image(name: str) -> bytes:
    """A manifest that says its name."""
    return b'{"schemaVersion":2,"mediaType":"%s","layers":[],"annotations":{"name":"%s"}}' % (
        MANIFEST_TYPE.encode(),
        name.encode(),
    )


@dataclass
class Registries:
    """Four registries: the hub counts pulls, ghcr limits requests, quay goes away, gcr denies us tokens."""

    public: Hostile
    quay: Hostile
    hub: Hub
    pki: Pki
    layers: list[bytes] = field(default_factory=list)
    abusive: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        random = Random(7)
        self.layers = [random.randbytes(LAYER) for _ in range(LAYERS)]
        self.hub.serve(self.public)
        for number in range(40):
            self.hub.push("library/app", f"v{number}", image(f"hub {number}"))
        self.hub.push("library/app", "latest", image("hub"))
        self.hub.blobs |= {sha256(layer): blob(layer) for layer in self.layers}
        self.public.on(GHCR, "/v2/*", self._limited)
        realm = (("WWW-Authenticate", f'Bearer realm="https://{TOKENS}/denied",service="gcr"'),)
        self.public.on(GCR, "/v2/*", Answer(401, realm))
        self.public.on(TOKENS, "/token", Answer(200, body=b'{"token":"of-the-hub","expires_in":300}'))
        self.public.on(TOKENS, "/denied", Answer(401, body=b'{"details":"incorrect username or password"}'))
        self.quay.on(QUAY, "/v2/app/manifests/*", _own_manifest)
        self.quay.on(QUAY, "/v2/app/blobs/*", Answer(200, body=b"other bytes than those of the digest"))
        self.quay.on(QUAY, f"/v2/app/blobs/{sha256(self.layers[0])}", Answer(200, body=self.layers[0], rate=LAYER // 4))

    def _limited(self, received: Received) -> Answer:
        return abused() if self.abusive.is_set() else _own_manifest(received)

    def policy(self, *, minutes: int = 60) -> str:
        """The policy over all of them; releases are fresh for so many minutes."""
        ports = {HUB: self.public.port, TOKENS: self.public.port}
        blocks = [
            Block("hub", (HUB,), ports, self.pki.root, token_hosts=(TOKENS,)),
            Block("ghcr", (GHCR,), {GHCR: self.public.port}, self.pki.root),
            Block("quay", (QUAY,), {QUAY: self.quay.port}, self.pki.root),
            Block(
                "gcr", (GCR,), {GCR: self.public.port, TOKENS: self.public.port}, self.pki.root, token_hosts=(TOKENS,)
            ),
        ]
        cache = f"cache {{ size {CACHE}; min-free 1MiB; evict lru; }}\n"
        return policy(*blocks, tiers=TIERS.replace("1h", f"{minutes}m"), head=TUNNELS + cache)


def _own_manifest(received: Received) -> Answer:
    data = image(received.host)
    return manifest(data, MANIFEST_TYPE, sha256(data))


@dataclass
class Traffic:
    """What clients do all the time, each kind in a thread of its own, until `stop`.

    `distrusted` is the certificate of a CA that is not the proxy's; at port `beyond` there is something to tunnel to.
    """

    proxy: Proxy
    registries: Registries
    distrusted: Path
    beyond: int
    _stopping: Event = field(default_factory=Event)
    _threads: list[Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        numbers = itertools.count()
        for act in (
            lambda: self.pull(HUB, "library/app", f"v{next(numbers) % 30}"),
            lambda: self.pull(HUB, "library/app", "latest"),
            lambda: self.pull(GHCR, "app", "latest"),
            lambda: self.pull(QUAY, "app", "latest"),
            lambda: self.pull(QUAY, "app", f"nightly-{next(numbers)}"),
            lambda: self.pull(GCR, "app", "latest"),
            lambda: self.layer(next(numbers)),
            self.wrong_bytes,
            self.give_up,
            self.distrust,
            self.tunnel,
        ):
            thread = Thread(target=self._again, args=(act,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let every client finish what it does."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _again(self, act: Callable[[], object]) -> None:
        while not self._stopping.is_set():
            with suppress(OSError, HTTPException, Refused):
                act()
            self._stopping.wait(PAUSE)

    def pull(self, host: str, repository: str, tag: str) -> int:
        """HEAD and GET of a tag's manifest, as dockerd begins; the status."""
        with self._client(host) as client:
            client.request("HEAD", f"/v2/{repository}/manifests/{tag}", {"Accept": MANIFEST_TYPE})
            return client.get(f"/v2/{repository}/manifests/{tag}", Accept=MANIFEST_TYPE).status

    def layer(self, number: int) -> int:
        """GET of one of the hub's layers; the status."""
        digest = sha256(self.registries.layers[number % LAYERS])
        with self._client(HUB) as client:
            return client.get(f"/v2/library/app/blobs/{digest}").status

    def wrong_bytes(self) -> None:
        """GET of a layer that is not what its digest says; it never ends well."""
        self._stopping.wait(1)
        with self._client(QUAY) as client:
            client.get(f"/v2/app/blobs/{sha256(b'never sent')}")

    def give_up(self) -> None:
        """GET of a slow layer, left in the middle."""
        with self._client(QUAY) as client:
            client.send("GET", f"/v2/app/blobs/{sha256(self.registries.layers[0])}").read(1024)
            self._stopping.wait(0.5)

    def distrust(self) -> None:
        """A handshake by a client that knows another CA."""
        context = ssl.create_default_context(cafile=str(self.distrusted))
        with connect(self.proxy.port, f"{HUB}:443") as raw, suppress(ssl.SSLError):
            context.wrap_socket(raw, server_hostname=HUB)
        self._stopping.wait(0.5)

    def tunnel(self) -> None:
        """Bytes through a blind tunnel, then one to where nobody listens."""
        with connect(self.proxy.port, f"127.0.0.1:{self.beyond}") as raw:
            raw.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while raw.recv(4096):
                pass
        self._stopping.wait(0.2)
        connect(self.proxy.port, f"127.0.0.1:{free_port()}").close()

    def _client(self, host: str) -> Client:
        return Client(self.proxy.port, self.proxy.ca_file, f"{host}:443")


def happen(proxy: Proxy, registries: Registries, phase: float) -> None:
    """What happens to the registries and the policy meanwhile: phases of so many seconds."""
    time.sleep(phase)
    assert reload(proxy, registries.policy(minutes=90))["result"] == "success"
    registries.hub.spend(registries.hub.left - 5)
    time.sleep(phase)
    registries.abusive.set()
    registries.hub.spend(registries.hub.left)
    time.sleep(phase)
    registries.quay.stop()
    assert reload(proxy, "policy 1;\ntier all { match any; frsh 1h; }\n")["result"] == "failure"
    time.sleep(2 * phase)
