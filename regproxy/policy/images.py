"""How people name images of the cache: a reference, or a pattern over `registry/repository:tag`."""

from dataclasses import dataclass

from regproxy.model.address import Authority
from regproxy.model.inventory import TagKey
from regproxy.model.oci import Digest, Resource, classify
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.pattern import Pattern, compile_glob
from regproxy.policy.reference import HUB, HUB_REGISTRY, read_reference

_WILD = frozenset("*?[{")


@dataclass(frozen=True, slots=True)
class Image:
    """One image: a tag, or a digest of a repository."""

    key: TagKey
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class ImagePattern:
    """Every tag whose name the pattern matches; `*` stops at `/`, `**` at nothing."""

    pattern: Pattern

    def matches(self, key: TagKey) -> bool:
        """Whether it names this tag."""
        return self.pattern.matches(image_name(key))


def read_image(table: ConnectTable, text: str) -> Image:
    """The image of a reference, at the registry that it leads to; raises ValueError in one sentence."""
    authority, target = read_reference(table, text)
    found = classify(target)
    if not isinstance(found, Resource) or not found.repository or (found.tag is None and found.digest is None):
        raise ValueError(f"{text[:80]!r} names no image; write registry/repository:tag")
    registry = table.registry_of(authority)
    if registry is None:
        raise ValueError(f"the policy names no registry {authority.name}; nothing of it is cached")
    return Image(TagKey(registry.canonical(authority), found.repository, found.tag or ""), found.digest)


def read_images(table: ConnectTable, text: str) -> Image | ImagePattern:
    """The image, or the pattern for many; raises ValueError in one sentence."""
    if _WILD.isdisjoint(text):
        return read_image(table, text)
    first, slash, _ = text.partition("/")
    if not text.startswith("**") and not (slash and ("." in first or ":" in first)):
        raise ValueError(f"the pattern {text[:80]!r} begins with no registry; write docker.io/library/* or **/name:*")
    return ImagePattern(compile_glob(text))


def image_name(key: TagKey) -> str:
    """As people write it; Docker Hub by the name that they know."""
    return f"{repository_name(key.authority, key.repository)}:{key.tag}"


def repository_name(authority: Authority, repository: str) -> str:
    """A repository as people write it."""
    return f"{HUB if authority.name == HUB_REGISTRY else authority.name}/{repository}"
