"""The images of the cache as the operator sees them: tags with their state, one image's tree, what a tag meant."""

import asyncio
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace

from regproxy.cache.lookup import Engines
from regproxy.freshness.lifetime import Validated, is_fresh
from regproxy.model.account import ANONYMOUS, Account
from regproxy.model.address import Authority
from regproxy.model.decision import Cached, Decision, PolicyRequest
from regproxy.model.entry import Binding, BindingKey, content_path
from regproxy.model.inventory import Past, Tagged, TagKey
from regproxy.model.manifest import Descriptor, descriptors, platform_of
from regproxy.model.oci import MAX_MANIFEST, Digest, Kind
from regproxy.model.registry import Registry
from regproxy.policy.images import Image, ImagePattern, read_images
from regproxy.policy.policy import Policy

PAGE = 500  # tags that are looked at in one step
MAX_NODES = 2000  # of one image's tree
MAX_INDEXES = 20  # of one repository that are looked at for platforms


@dataclass(frozen=True, slots=True)
class ImageState:
    """A tag, what the policy makes of it now, and whether its manifest is here.

    `state`: fresh, stale, gone, expired, held, or passed where the policy caches it no longer.
    """

    tagged: Tagged
    tier: str
    state: str

    @property
    def is_here(self) -> bool:
        """Whether the manifest is on disk."""
        return self.tagged.last_used is not None


@dataclass(frozen=True, slots=True)
class Node:
    """One piece of an image, and what it lists; `is_here`: its bytes are on disk."""

    descriptor: Descriptor
    is_here: bool
    children: tuple["Node", ...] = ()


class Images:
    """Reads; `policy` gives the active one."""

    def __init__(self, engines: Engines, policy: Callable[[], Policy]) -> None:
        self._engines = engines
        self._policy = policy

    def read(self, text: str) -> Image | ImagePattern:
        """What a reference or a pattern names; raises ValueError in one sentence."""
        return read_images(self._policy().connecting, text)

    async def listed(self, text: str, after: TagKey | None, limit: int) -> tuple[list[ImageState], TagKey | None]:
        """Tags in order behind `after`, at most `limit`, and where to go on; all of them where `text` is empty.

        Raises ValueError for a text that names nothing.
        """
        named = self.read(text) if text else None
        if isinstance(named, Image):
            one = await self.tagged(named.key)
            return ([self._state(one)] if one is not None else []), None
        inventory, found = self._engines.store.inventory, list[ImageState]()
        while True:
            keys = await inventory.tags(after, PAGE)
            room = limit - len(found)
            wanted = [key for key in keys if named is None or named.matches(key)][:room]
            # What a tag leads to is added up for those alone that are shown.
            found += map(self._state, await inventory.described(wanted))
            if len(wanted) == room:
                return found, wanted[-1]
            if len(keys) < PAGE:
                return found, None
            after = keys[-1]

    async def tagged(self, key: TagKey) -> Tagged | None:
        """The tag, if it is in the cache."""
        return await self._engines.store.inventory.tagged(key)

    async def past(self, key: TagKey) -> list[Past]:
        """What the tag meant, the latest first."""
        return await self._engines.store.inventory.past(key)

    async def platforms(self, key: TagKey) -> frozenset[str]:
        """The platforms of this tag, now and before, whose manifests are here: what clients pulled."""
        return await self._pulled([past.digest for past in await self.past(key)])

    async def seen(self, authority: Authority, repository: str, ours: Container[Digest]) -> frozenset[str]:
        """The platforms of a repository whose manifests clients pulled; `ours`: only the proxy did."""
        return await self._pulled(await self._engines.store.inventory.indexes(authority, repository, MAX_INDEXES), ours)

    async def _pulled(self, indexes: Iterable[Digest], ours: Container[Digest] = ()) -> frozenset[str]:
        found: set[str] = set()
        for index in indexes:
            content = await self._engines.content(index)
            if content is None or content.size > MAX_MANIFEST:
                continue
            for one in descriptors(await self.body(index)):
                if one.role == "manifest" and one.platform and one.platform not in found and one.digest not in ours:
                    found |= {one.platform} if await self._engines.content(one.digest) is not None else set()
        return frozenset(found)

    async def here(self, digest: Digest) -> frozenset[str]:
        """The platforms for which an image is here: of an index those with their manifests, else what its config says.

        Raises OSError when the disk refuses.
        """
        content = await self._engines.content(digest)
        if content is None or content.size > MAX_MANIFEST:
            return frozenset()
        found = await self._pulled([digest])
        for one in descriptors(await self.body(digest)):
            config = await self._engines.content(one.digest) if one.role == "config" else None
            if config is not None and config.size <= MAX_MANIFEST:
                found |= {platform_of(await self.body(one.digest))}
        return found - {""}

    async def body(self, digest: Digest) -> bytes:
        """The bytes of a manifest that is here; raises OSError."""
        return await asyncio.to_thread((self._engines.store.directory / content_path(digest)).read_bytes)

    async def tree(self, image: Image) -> Node | None:
        """The image from its manifest down to its layers, as far as manifests are here; None when it is not known."""
        digest, media_type, size = image.digest, "", 0
        if digest is None:
            row = await self.tagged(image.key)
            if row is None:
                return None
            binding = row.binding
            digest, media_type, size = binding.digest, binding.media_type, binding.size
        content = await self._engines.content(digest)
        if content is None and image.digest is not None:
            return None
        descriptor = Descriptor("manifest", digest, media_type, content.size if content is not None else size)
        return await self._node(descriptor, [MAX_NODES])

    async def _node(self, descriptor: Descriptor, left: list[int]) -> Node:
        left[0] -= 1
        content = await self._engines.content(descriptor.digest)
        node = Node(descriptor, content is not None)
        if content is None or descriptor.role != "manifest" or content.size > MAX_MANIFEST:
            return node
        listed = descriptors(await self.body(descriptor.digest))
        return replace(node, children=tuple([await self._node(one, left) for one in listed if left[0] > 0]))

    def registry(self, key: TagKey) -> Registry | None:
        """The block that names the tag's registry."""
        return self._policy().registry_of(key.authority)

    def account(self, key: TagKey) -> Account:
        """Whose credential the proxy asks the tag's registry with."""
        registry = self.registry(key)
        if registry is None:
            return ANONYMOUS
        return self._policy().own_account(registry, key.authority, key.repository)

    def _state(self, row: Tagged) -> ImageState:
        decision = self.decision(row.key)
        return ImageState(row, decision.tier, self._word(row.key, row.binding, decision))

    def decision(self, key: TagKey) -> Decision:
        """What the policy says of a pull of this tag by anybody."""
        registry = self.registry(key)
        block, path = registry.name if registry is not None else "", f"/v2/{key.repository}/manifests/{key.tag}"
        named = (key.authority.name, block, str(Kind.MANIFEST), path, key.repository, key.tag)
        return self._policy().on_request(PolicyRequest("GET", *named))

    def _word(self, key: TagKey, binding: Binding, decision: Decision) -> str:
        now = self._engines.clock()
        known = self._engines.overrides.known(BindingKey(key.authority, key.repository, key.tag), binding)
        if now < known.held_until:
            return "held"
        if known.gone_at is not None:
            return "gone"
        if known.is_expired:
            return "expired"
        if not isinstance(decision, Cached):
            return "passed"
        return "fresh" if is_fresh(Validated(known.validated_at), decision.terms, now) else "stale"
