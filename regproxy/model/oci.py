"""The OCI grammar: what a path under /v2/ asks for, or why it asks for nothing (distribution-spec 1.1, end points)."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

MAX_REPOSITORY = 255
MAX_QUERY = 2048
TOKEN_PATH = "/v2/_regproxy/token"  # noqa: S105 -- a path, not a secret; `_` cannot begin a repository component

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_DIGEST = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([A-Za-z0-9=_-]+)\Z")
_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[a-f0-9]+\Z")

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
# What we ask with, best first: schema 1 stands last because old registries sort by order, not by q.
MANIFEST_TYPES = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, OCI_ARTIFACT, DOCKER_SCHEMA1_SIGNED)
MAX_MANIFEST = 4 * 1024 * 1024


class Kind(StrEnum):
    """What a request asks for; pings and token requests never reach the tiers and have no kind."""

    MANIFEST = "manifest"
    BLOB = "blob"
    TAGS = "tags"
    REFERRERS = "referrers"
    CATALOG = "catalog"
    UPLOAD = "upload"
    OTHER = "other"


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A digest by the OCI grammar; only sha256 and sha512 can be verified, and so stored."""

    algorithm: str
    encoded: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"

    @property
    def verifiable(self) -> bool:
        """Whether we can hash to it."""
        return self.algorithm in _HEX_LENGTH


def parse_digest(text: str) -> Digest:
    """Parse `algorithm:encoded`; raises ValueError, also for sha256 and sha512 of the wrong length or alphabet."""
    match = _DIGEST.match(text) if len(text) <= 256 else None
    if match is None:
        raise ValueError(f"{text[:80]!r} is not a digest")
    algorithm, encoded = match.groups()
    length = _HEX_LENGTH.get(algorithm)
    if length is not None and (len(encoded) != length or not _HEX.match(encoded)):
        raise ValueError(f"{text[:80]!r} is not a {algorithm} digest")
    return Digest(algorithm, encoded)


def is_repository(text: str) -> bool:
    """Whether the text is a repository name."""
    return len(text) <= MAX_REPOSITORY and _REPOSITORY.match(text) is not None


def is_tag(text: str) -> bool:
    """Whether the text is a tag."""
    return _TAG.match(text) is not None


@dataclass(frozen=True, slots=True)
class Ping:
    """`/v2/`: is this a registry, and must I log in?"""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request to our own token end point."""

    query: str


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that the OCI grammar names; `path` and `query` are re-serialised, never the client's bytes."""

    kind: Kind
    path: str
    query: str = ""
    repository: str = ""
    tag: str | None = None
    digest: Digest | None = None

    @property
    def reference(self) -> str:
        """The tag or digest, empty where there is none."""
        return self.tag or (str(self.digest) if self.digest else "")

    @property
    def target(self) -> str:
        """Path and query as sent upstream."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True)
class OtherPath:
    """Any path outside /v2/: passed unchanged, never stored."""

    target: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A path under /v2/ that the grammar does not have: answered here, nothing goes upstream."""

    status: int
    code: str
    sentence: str


PUSH_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def is_push(method: str, resource: Resource) -> bool:
    """Whether a request is part of a push: it changes a repository, or asks how far an upload is."""
    return method in PUSH_METHODS or resource.kind is Kind.UPLOAD


Target = Ping | TokenRequest | Resource | OtherPath | Malformed


def classify(target: str) -> Target:
    """What an origin-form request target asks for."""
    path, _, query = target.partition("?")
    if path == "/v2" or path.startswith("/v2/"):
        return _classify_v2(path.replace("%3A", ":").replace("%3a", ":"), query)
    if _leads_to_v2(path):
        return Malformed(400, "NAME_INVALID", "the path leads to /v2/ by dot segments, escapes or case")
    if path in ("/v1", "/v1/", "/v1/_ping"):
        return Malformed(405, "UNSUPPORTED", "the client fell back to the v1 API; the v2 request before it failed")
    return OtherPath(target)


def _leads_to_v2(path: str) -> bool:
    """Whether a server could normalise the path to /v2/, so that it must not slip past the grammar as "other"."""
    flat = unquote(path, "latin-1").lower().replace("\\", "/")
    segments = [segment for segment in flat.split("/") if segment not in ("", ".")]
    return segments[:1] == ["v2"] or (".." in segments and "v2" in segments)


def _classify_v2(path: str, query: str) -> Target:
    if path in ("/v2", "/v2/"):
        return Ping()
    if path == TOKEN_PATH:
        return TokenRequest(query)
    if len(query) > MAX_QUERY or not (query.isascii() and query.isprintable()):
        return Malformed(400, "UNSUPPORTED", "the query is too long or not printable ASCII")
    if "%" in path or "\\" in path:
        return Malformed(400, "NAME_INVALID", "escapes are not allowed in a registry path")
    segments = path.split("/")[2:]
    if any(segment in (".", "..") for segment in segments) or "" in segments[:-1]:
        return Malformed(400, "NAME_INVALID", "dot or empty segments are not allowed in a registry path")
    if segments == ["_catalog"]:
        return Resource(Kind.CATALOG, path, query)
    return _named(segments, path, query)


def _named(segments: list[str], path: str, query: str) -> Target:
    if len(segments) >= 3 and segments[-2:] == ["tags", "list"]:
        return _in_repository(segments[:-2], Resource(Kind.TAGS, path, query))
    for at in range(len(segments) - 2, 0, -1):
        if segments[at : at + 2] == ["blobs", "uploads"]:
            return _in_repository(segments[:at], Resource(Kind.UPLOAD, path, query))
    if len(segments) < 3:
        return Malformed(404, "NAME_UNKNOWN", "no such registry path")
    *repository, verb, reference = segments
    match verb:
        case "manifests":
            return _manifest(repository, reference, path)
        case "blobs" | "referrers":
            try:
                digest = parse_digest(reference)
            except ValueError as error:
                return Malformed(400, "DIGEST_INVALID", str(error))
            kind = Kind.BLOB if verb == "blobs" else Kind.REFERRERS
            kept = query if kind is Kind.REFERRERS else ""
            return _in_repository(repository, Resource(kind, path, kept, digest=digest))
        case _:
            return Malformed(404, "NAME_UNKNOWN", "no such registry path")


def _manifest(repository: list[str], reference: str, path: str) -> Target:
    if ":" not in reference:
        if not is_tag(reference):
            return Malformed(400, "TAG_INVALID", f"{reference[:80]!r} is not a tag")
        return _in_repository(repository, Resource(Kind.MANIFEST, path, tag=reference))
    try:
        digest = parse_digest(reference)
    except ValueError as error:
        return Malformed(400, "DIGEST_INVALID", str(error))
    return _in_repository(repository, Resource(Kind.MANIFEST, path, digest=digest))


def _in_repository(segments: list[str], found: Resource) -> Target:
    name = "/".join(segments)
    if not is_repository(name):
        return Malformed(400, "NAME_INVALID", f"{name[:80]!r} is not a repository name")
    return Resource(found.kind, found.path, found.query, name, found.tag, found.digest)
