"""What the operator does to images of the cache: expire, distrust, purge, refresh, restore."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from regproxy.cache.fetches import Answered
from regproxy.cache.images import Images
from regproxy.cache.lookup import Engines, Lookup
from regproxy.cache.tags import Tags
from regproxy.model.answer import Ask, Forget
from regproxy.model.decision import Cached
from regproxy.model.entry import Binding, BindingKey, LinkKey
from regproxy.model.inventory import Override, Past, Purged, TagKey
from regproxy.model.oci import Digest, Kind, Resource
from regproxy.policy.images import Image
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed

MAX_TAGS = 100_000  # of one purge or refresh
HELD_SECONDS = 24 * 3600.0

Depth = Literal["expire", "distrust", "hard"]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What asking a registry about one tag brought: `before` and `after`, or why it could not be asked."""

    key: TagKey
    before: Digest | None
    after: Digest | None
    failure: str = ""


class Purging:
    """Acts on what `images` finds; each act is whole before it returns, and edges forget what it changed."""

    def __init__(self, engines: Engines, images: Images, tags: Tags) -> None:
        self._engines = engines
        self._images = images
        self._tags = tags

    async def keys(self, text: str) -> tuple[TagKey, ...]:
        """The tags that a reference or a pattern names; raises ValueError for a digest, and for too many."""
        named = self._images.read(text)
        if isinstance(named, Image) and not named.key.tag:
            raise ValueError(f"{text[:80]!r} names a digest, which never changes; name a tag")
        found, more = await self._images.listed(text, None, MAX_TAGS)
        if more is not None:
            raise ValueError(f"{text[:80]!r} names more than {MAX_TAGS} tags; name fewer")
        return tuple(one.tagged.key for one in found)

    async def purge(self, keys: Sequence[TagKey], depth: Depth) -> Purged:
        """Do this to the tags; raises ValueError for more than can be kept in mind, OSError when the disk refuses."""
        overrides = self._engines.overrides
        match depth:
            case "expire":
                await overrides.say(keys, Override(expired_at=self._engines.clock()))
                found = Purged(tuple(keys))
            case "distrust":
                rows = [row for key in keys if (row := await self._images.tagged(key)) is not None]
                await overrides.distrust((row.key, row.binding.digest) for row in rows)
                found = Purged(tuple(keys))
            case "hard":
                found = await self._hard(keys)
            case _:
                assert_never(depth)
        self._forget(keys)
        return found

    async def _hard(self, keys: Sequence[TagKey]) -> Purged:
        store = self._engines.store
        digests, shared = await store.inventory.forget(keys)
        self._engines.overrides.forget(keys)
        sizes = [await store.purge(digest) for digest in digests]
        return Purged(tuple(keys), sum(size > 0 for size in sizes), sum(sizes), shared)

    async def refresh(self, key: TagKey) -> Refreshed:
        """Ask the registry now what the tag means, and get its manifest if it moved; a hold ends."""
        found = await self.ask(key, fetch=True)
        if not found.failure:
            await self._engines.overrides.say([key], Override())
            self._forget([key])
        return found

    async def ask(self, key: TagKey, *, fetch: bool) -> Refreshed:
        """Ask the registry what the tag means; with `fetch`, get its manifest if it moved."""
        binding_key = BindingKey(key.authority, key.repository, key.tag)
        binding = await self._engines.store.binding(binding_key)
        before = binding.digest if binding is not None else None
        lookup = self._lookup(key)
        if lookup is None:
            return Refreshed(key, before, None, f"the policy does not cache {key.authority.name}")
        try:
            found = await self._tags.refresh(lookup, binding_key, binding, fetch=fetch)
        except (UpstreamFailed, ValueError) as error:
            return Refreshed(key, before, None, str(error))
        if isinstance(found, Answered):
            return Refreshed(key, before, None, f"{key.authority.name} answered {found.head.status}")
        return Refreshed(key, before, found.binding.digest)

    def _lookup(self, key: TagKey) -> Lookup | None:
        """The pull that nobody in particular makes."""
        registry = self._images.registry(key)
        decision = self._images.decision(key)
        if registry is None or not isinstance(decision, Cached):
            return None
        path = f"/v2/{key.repository}/manifests/{key.tag}"
        resource = Resource(Kind.MANIFEST, path, "", key.repository, tag=key.tag)
        ask = Ask(key.authority, registry.scheme, "GET", path, (), "", ours=True)
        now, account = self._engines.clock(), self._images.account(key)
        return Lookup(ask, registry, resource, decision.tier, decision.terms, now, account=account)

    async def restore(self, key: TagKey, digest: Digest | None, seconds: float = HELD_SECONDS) -> Past:
        """Let the tag mean what it meant before, or `digest`, for so long, whatever its registry says.

        Raises ValueError in one sentence when that was never so, or when its bytes are no longer here.
        """
        past = await self._images.past(key)
        now = await self._images.tagged(key)
        current = now.binding.digest if now is not None and now.binding.gone_at is None else None
        meant = next((one for one in past if (one.digest == digest if digest else one.digest != current)), None)
        if meant is None:
            which = str(digest) if digest else "anything else"
            raise ValueError(f"{key.repository}:{key.tag} never meant {which} here; see `regproxy cache history`")
        held = await self._engines.held(LinkKey(key.authority, key.repository, Kind.MANIFEST, meant.digest))
        if held is None:
            raise ValueError(f"the manifest {meant.digest} is no longer here; pull it by digest first")
        link, clock = held[0], self._engines.clock()
        binding = Binding(meant.digest, link.media_type, link.size, link.fields, meant.first_at, clock)
        await self._engines.overrides.trust(key, meant.digest)
        bound = BindingKey(key.authority, key.repository, key.tag)
        await self._engines.store.record(Changes(bindings=((bound, binding),)))
        await self._engines.overrides.say([key], Override(held_until=clock + seconds))
        for known in [known for known in self._engines.negatives if known[0] == bound]:
            del self._engines.negatives[known]
        self._forget([key])
        return meant

    def _forget(self, keys: Iterable[TagKey]) -> None:
        for authority, repository in {(key.authority, key.repository) for key in keys}:
            self._engines.forget(Forget(authority, repository))
