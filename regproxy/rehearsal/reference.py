"""What people paste, an image reference or a URL, as the request that a client would make for it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from regproxy.model.address import Authority, parse_authority
from regproxy.model.decision import PolicyRequest
from regproxy.model.oci import Kind, Malformed, OtherPath, Resource, classify
from regproxy.policy.policy import Policy

HUB = "docker.io"
HUB_NAMES = frozenset({"docker.io", "index.docker.io"})
HUB_REGISTRY = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A request to rehearse: where the client connects, and what the tiers see of it.

    `request` is None where no tier is asked; `note` then says why.
    """

    authority: Authority
    target: str
    method: str
    request: PolicyRequest | None
    note: str = ""


def rehearse(policy: Policy, text: str, method: str = "GET", client: str = "") -> Rehearsed:
    """Read an image reference (`nginx:1.25`, `quay.io/a/b@sha256:…`) or a URL; raises ValueError in one sentence."""
    authority, target = _of_url(text) if "://" in text else _of_reference(policy, text)
    registry = policy.registry_of(authority)
    if registry is None or not registry.intercept:
        return Rehearsed(authority, target, method, None, "not intercepted: no tier is asked")
    canonical = registry.canonical(authority)
    found = classify(target)
    match found:
        case Resource():
            request = PolicyRequest(
                method=method,
                authority=str(canonical),
                registry=registry.name,
                kind=str(found.kind),
                path=found.path,
                repository=found.repository,
                tag=found.tag or "",
                digest=str(found.digest) if found.digest else "",
                client=client,
            )
            return Rehearsed(authority, target, method, request)
        case OtherPath():
            path = target.partition("?")[0]
            request = PolicyRequest(method, str(canonical), registry.name, str(Kind.OTHER), path, client=client)
            return Rehearsed(authority, target, method, request)
        case Malformed(status, _, sentence):
            return Rehearsed(authority, target, method, None, f"answered {status} here: {sentence}; no tier is asked")
        case _:
            return Rehearsed(authority, target, method, None, "pings and token requests never reach the tiers")


def _of_url(text: str) -> tuple[Authority, str]:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.netloc or "@" in parts.netloc:
        raise ValueError(f"{text[:80]!r} is no http or https URL of a registry")
    authority = parse_authority(parts.netloc, 443 if parts.scheme == "https" else 80)
    return authority, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _of_reference(policy: Policy, text: str) -> tuple[Authority, str]:
    """The manifest a client asks for: the first component is a host when it has a dot or a port, as in docker."""
    first, slash, rest = text.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, name = first, rest
    else:
        host, name = HUB, text
    name, at, digest = name.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    if host in HUB_NAMES and "/" not in repository:
        repository = f"library/{repository}"
    reference = digest if at else tag or "latest"
    target = f"/v2/{repository}/manifests/{reference}"
    found = classify(target)
    if not isinstance(found, Resource) or found.kind is not Kind.MANIFEST:
        why = found.sentence if isinstance(found, Malformed) else "it names no manifest"
        raise ValueError(f"{text[:80]!r} is no image reference: {why}")
    return _authority(policy, host), target


def _authority(policy: Policy, host: str) -> Authority:
    """Where a client connects for a host; without a port, the port of the block that names it."""
    if host in HUB_NAMES:
        return Authority(HUB_REGISTRY, 443)
    authority = parse_authority(host, 443)
    plain = Authority(authority.host, 80)
    if authority.port == 443 and policy.registry_of(authority) is None and policy.registry_of(plain) is not None:
        return plain
    return authority
