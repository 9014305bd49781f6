"""What a hostile upstream may say: statuses, lies about length, cuts, stalls, slow and very long bodies."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from threading import Event
from typing import Literal

from tests.lab.images import MIB, Image

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; `host` is the Host field, `path` the target without its query."""

    method: str
    target: str
    fields: Fields
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def host(self) -> str:
        return self.field("host")

    def field(self, name: str) -> str:
        """The first value of a field, empty if it is absent."""
        return next((value for each, value in self.fields if each.lower() == name.lower()), "")


@dataclass(frozen=True, slots=True)
class Generated:
    """A body of any size made while it is sent: one random MiB over and over."""

    size: int
    seed: int = 1

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to `stop`, in pieces of at most 1 MiB."""
        block = _block(self.seed)
        at, end = start, self.size if stop is None else stop
        while at < end:
            piece = block[at % MIB : at % MIB + end - at]
            yield piece
            at += len(piece)

    @property
    def digest(self) -> str:
        """Its OCI digest."""
        digest = hashlib.sha256()
        for piece in self.chunks():
            digest.update(piece)
        return f"sha256:{digest.hexdigest()}"


@cache
def _block(seed: int) -> bytes:
    return random.Random(seed).randbytes(MIB)


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer; all counts are of body bytes.

    `claim` is a Content-Length that need not be true. `cut` ends the connection after so many bytes, by a TCP reset if
    `reset`. `gate` is waited for once `hold` bytes are out: never set, it is a stall. `rate` is in bytes per second.
    """

    status: int = 200
    fields: Fields = ()
    body: bytes | Generated = b""
    framing: Literal["length", "chunked", "close"] = "length"
    claim: int | None = None
    cut: int | None = None
    reset: bool = False
    hold: int = 0
    gate: Event | None = field(default=None, compare=False)
    rate: int | None = None
    ranges: bool = False

    @property
    def size(self) -> int:
        return self.body.size if isinstance(self.body, Generated) else len(self.body)

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The body between two offsets, in small pieces."""
        if isinstance(self.body, Generated):
            yield from self.body.chunks(start, stop)
        elif start < stop:
            yield from (self.body[at : min(at + (1 << 16), stop)] for at in range(start, stop, 1 << 16))


Handler = Callable[[Received], Answer]


def pull_limited(*fields: tuple[str, str]) -> Answer:
    """Docker Hub's answer to a pull beyond the limit."""
    text = "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
    body = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": text}]}).encode()
    left = (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600"))
    return Answer(429, (("Content-Type", "application/json"), *left, *fields), body)


def abused(*fields: tuple[str, str]) -> Answer:
    """Docker Hub's answer to too many requests of any kind."""
    return Answer(429, (("Content-Type", "text/html"), *fields), b"<html><body>429 Too Many Requests</body></html>")


def redirect(status: int, location: str) -> Answer:
    """A redirect; `location` may be relative."""
    return Answer(status, (("Location", location),))


def manifest(data: bytes, media_type: str, digest: str) -> Answer:
    """A manifest as a registry answers it."""
    return Answer(200, (("Content-Type", media_type), ("Docker-Content-Digest", digest)), data)


def blob(data: bytes | Generated) -> Answer:
    """A blob as a registry answers it, ranges included."""
    return Answer(200, (("Content-Type", "application/octet-stream"),), data, ranges=True)


def image_answers(image: Image, repository: str, *tags: str) -> dict[str, Answer]:
    """Path to answer for everything in the image, as an anonymous registry would serve it."""
    base = f"/v2/{repository}"
    top = manifest(image.read(image.digest), image.top.media_type, image.digest)
    answers = {f"{base}/manifests/{tag}": top for tag in tags}
    for digest, each in image.manifests.items():
        answers[f"{base}/manifests/{digest}"] = manifest(image.read(digest), each.media_type, digest)
    for digest in image.blobs:
        answers[f"{base}/blobs/{digest}"] = blob(image.read(digest))
    return answers | {"/v2/": Answer(200, body=b"{}")}
