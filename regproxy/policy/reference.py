"""What people write for an image, a reference or a URL: where a client connects for it, and what it asks there."""

from urllib.parse import urlsplit

from regproxy.model.address import Authority, parse_authority
from regproxy.model.oci import Kind, Malformed, Resource, classify
from regproxy.policy.connecting import ConnectTable

HUB = "docker.io"
HUB_NAMES = frozenset({"docker.io", "index.docker.io"})
HUB_REGISTRY = "registry-1.docker.io"


def read_reference(table: ConnectTable, text: str) -> tuple[Authority, str]:
    """Authority and request target of an image reference or a URL; raises ValueError in one sentence."""
    return _of_url(text) if "://" in text else _of_reference(table, text)


def _of_url(text: str) -> tuple[Authority, str]:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.netloc or "@" in parts.netloc:
        raise ValueError(f"{text[:80]!r} is no http or https URL of a registry")
    authority = parse_authority(parts.netloc, 443 if parts.scheme == "https" else 80)
    return authority, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _of_reference(table: ConnectTable, text: str) -> tuple[Authority, str]:
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
    return _authority(table, host), target


def _authority(table: ConnectTable, host: str) -> Authority:
    """Where a client connects for a host; without a port, the port of the block that names it."""
    if host in HUB_NAMES:
        return Authority(HUB_REGISTRY, 443)
    authority = parse_authority(host, 443)
    plain = Authority(authority.host, 80)
    if authority.port == 443 and table.registry_of(authority) is None and table.registry_of(plain) is not None:
        return plain
    return authority
