"""A scripted Docker Hub: tokens, tags, a rolling pull limit that HEADs do not count against, and a limit on abuse."""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from tests.lab.answers import Answer, Received, abused, manifest, pull_limited
from tests.lab.hostile import Hostile
from tests.lab.images import sha256

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
WINDOW = 6 * 3600.0


@dataclass
class Hub:
    """Answers on `host`; `clock` is seconds on the test's own clock."""

    host: str
    clock: Callable[[], float]
    limit: int = 100
    tags: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    blobs: dict[str, Answer] = field(default_factory=dict)
    pulls: deque[float] = field(default_factory=deque)
    pulled: list[str] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    too_many: list[float] = field(default_factory=list)
    abuse_until: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def serve(self, hostile: Hostile) -> None:
        """Answer for the host from now on."""
        hostile.on(self.host, "/v2/*", self._locked)
        token = json.dumps({"token": "of-the-hub", "expires_in": 300}).encode()
        hostile.on(self.host, "/token", Answer(200, (("Content-Type", "application/json"),), token))

    def push(self, repository: str, tag: str, data: bytes) -> str:
        """Let the tag mean this manifest; its digest."""
        digest = sha256(data)
        self.tags[repository, tag] = self.manifests[repository, digest] = data
        return digest

    def spend(self, count: int) -> None:
        """A stranger behind the same address pulls."""
        self.pulls.extend([self.clock()] * count)

    @property
    def left(self) -> int:
        """Pulls left in the window that ends now."""
        now = self.clock()
        while self.pulls and self.pulls[0] <= now - WINDOW:
            self.pulls.popleft()
        return max(0, self.limit - len(self.pulls))

    def _locked(self, received: Received) -> Answer:
        with self._lock:
            return self._answer(received)

    def _answer(self, received: Received) -> Answer:
        now = self.clock()
        if now < self.abuse_until:
            self.too_many.append(now)
            return abused()
        if received.field("authorization") != "Bearer of-the-hub":
            challenge = f'Bearer realm="https://{self.host}/token",service="{self.host}"'
            return Answer(401, (("WWW-Authenticate", challenge),), b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        if "/blobs/" in received.path:
            return self.blobs.get(received.path.rpartition("/")[2], Answer(404))
        repository, _, reference = received.path.removeprefix("/v2/").partition("/manifests/")
        data = self.tags.get((repository, reference)) or self.manifests.get((repository, reference))
        if data is None:
            return Answer(404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        if received.method == "GET":
            if not self.left:
                self.refused.append(now)
                return pull_limited()
            self.pulls.append(now)
            self.pulled.append(sha256(data))
        good = manifest(data, MANIFEST_TYPE, sha256(data))
        counts = (("ratelimit-limit", f"{self.limit};w=21600"), ("ratelimit-remaining", f"{self.left};w=21600"))
        return Answer(200, (*good.fields, *counts), data)
