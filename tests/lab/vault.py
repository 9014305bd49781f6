"""A scripted registry with private repositories: who may read what, by tokens of its own service or by passwords."""

import base64
import json
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tests.lab.answers import Answer, Received, blob, manifest
from tests.lab.hostile import Hostile
from tests.lab.images import sha256

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
ANYONE = ""
_REFUSED = b'{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}'


def basic(user: str, password: str) -> tuple[str, str]:
    """The Authorization field of a user."""
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class Vault:
    """Answers on `host`; a token holds what its user might read when it was issued, as those of real services do.

    `hides`: to whoever may not read it says 404, as GitLab, Harbor and Docker Hub do.
    """

    host: str
    scheme: Literal["bearer", "basic"] = "bearer"
    hides: bool = False
    passwords: dict[str, str] = field(default_factory=dict)
    readers: dict[str, set[str]] = field(default_factory=dict)
    content: dict[tuple[str, str], Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    issued: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def serve(self, hostile: Hostile) -> None:
        """Answer for the host from now on."""
        for path in ("/v2/", "/v2/*", "/token"):
            hostile.on(self.host, path, self._locked)

    def user(self, name: str, password: str, *repositories: str) -> tuple[str, str]:
        """A user who may read there; its Authorization field."""
        self.passwords[name] = password
        for repository in repositories:
            self.readers.setdefault(repository, set()).add(name)
        return basic(name, password)

    def push(self, repository: str, tag: str, data: bytes) -> str:
        """Let the tag mean this manifest; its digest."""
        digest = sha256(data)
        for reference in (tag, digest):
            self.content[repository, f"manifests/{reference}"] = manifest(data, MANIFEST_TYPE, digest)
        self.content[repository, "tags/list"] = Answer(
            200, (("Content-Type", "application/json"),), json.dumps({"name": repository, "tags": [tag]}).encode()
        )
        return digest

    def layer(self, repository: str, data: bytes) -> str:
        """Put a blob there; its digest."""
        digest = sha256(data)
        self.content[repository, f"blobs/{digest}"] = blob(data)
        return digest

    def forget(self) -> list[tuple[str, str, str]]:
        """Who asked for what since the last time: user, method, path."""
        asked, self.asked = self.asked, []
        return asked

    def _locked(self, received: Received) -> Answer:
        with self._lock:
            return self._token(received) if received.path == "/token" else self._registry(received)

    def _login(self, received: Received) -> str | None:
        """The user of a password that is right, nobody where none came; None: it is wrong."""
        scheme, _, value = received.field("authorization").partition(" ")
        if scheme != "Basic":
            return ANYONE
        user, _, password = base64.b64decode(value).decode().partition(":")
        return user if self.passwords.get(user) == password else None

    def _token(self, received: Received) -> Answer:
        user = self._login(received)
        self.asked.append((user or "?", received.method, "/token"))
        if user is None:
            return Answer(401, body=_REFUSED)
        scopes = [scope.split(":")[1] for scope in parse_qs(urlsplit(received.target).query).get("scope", [])]
        token = f"of-{user}-{len(self.issued)}"
        self.issued[token] = user, frozenset(scope for scope in scopes if self._may(user, scope))
        return Answer(200, (("Content-Type", "application/json"),), json.dumps({"token": token}).encode())

    def _may(self, user: str, repository: str) -> bool:
        return bool(self.readers.get(repository, set()) & {user, ANYONE})

    def _registry(self, received: Received) -> Answer:
        repository, _, rest = received.path.removeprefix("/v2/").partition("/")
        second, _, rest = rest.partition("/")
        repository = f"{repository}/{second}"
        user, reads = self._reader(received, repository)
        self.asked.append((user or "?", received.method, received.path))
        if user is None or (not user and received.path == "/v2/"):
            return self._challenge()
        if received.path == "/v2/":
            return Answer(200, body=b"{}")
        if not reads:
            return Answer(404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}') if self.hides else self._challenge()
        return self.content.get((repository, rest), Answer(404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))

    def _reader(self, received: Received, repository: str) -> tuple[str | None, bool]:
        if self.scheme == "basic":
            user = self._login(received)
            return user, user is not None and self._may(user, repository)
        scheme, _, token = received.field("authorization").partition(" ")
        if scheme != "Bearer":
            return None, False
        user, readable = self.issued.get(token, (None, frozenset()))
        return user, repository in readable

    def _challenge(self) -> Answer:
        value = f'Bearer realm="https://{self.host}/token",service="{self.host}"'
        return Answer(401, (("WWW-Authenticate", value if self.scheme == "bearer" else 'Basic realm="x"'),), _REFUSED)
