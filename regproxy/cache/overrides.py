"""What the operator said of tags, over what their registries say: expired, held, or never to mean a digest again."""

from collections.abc import Iterable

from regproxy.freshness.lifetime import Validated
from regproxy.model.entry import Binding, BindingKey
from regproxy.model.inventory import Override, TagKey
from regproxy.model.oci import Digest
from regproxy.store.inventory import MAX_OVERRIDES, Inventory

_NOTHING = Override()


class Overrides:
    """Owns what was said; in memory for each request, on disk over restarts."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._said: dict[TagKey, Override] = {}
        self._distrusted: dict[TagKey, frozenset[Digest]] = {}

    async def load(self) -> None:
        """Read what was said before; raises OSError."""
        self._said, self._distrusted = await self._inventory.overrides()

    def known(self, key: BindingKey, binding: Binding) -> Validated:
        """The binding as freshness sees it."""
        said = self._said.get(_tag(key), _NOTHING)
        return Validated(binding.validated_at, binding.gone_at, said.expired_at or None, said.held_until)

    def distrusts(self, key: BindingKey, digest: Digest) -> bool:
        """Whether the tag may not mean this digest."""
        return digest in self._distrusted.get(_tag(key), ())

    async def say(self, keys: Iterable[TagKey], override: Override) -> None:
        """Say this of the tags; raises OSError, and ValueError for more than can be kept in mind."""
        named = tuple(keys)
        if len(self._said.keys() | named) > MAX_OVERRIDES:
            raise ValueError(f"no more than {MAX_OVERRIDES} tags can be expired or held at once; name fewer")
        await self._inventory.override(named, override)
        self._said.update(dict.fromkeys(named, override))

    async def distrust(self, named: Iterable[tuple[TagKey, Digest]]) -> None:
        """The tags may not mean these digests any more; raises as `say`."""
        pairs = tuple(named)
        if len(self._distrusted) + len(pairs) > MAX_OVERRIDES:
            raise ValueError(f"no more than {MAX_OVERRIDES} digests can be distrusted; name fewer")
        await self._inventory.distrust(pairs)
        for key, digest in pairs:
            self._distrusted[key] = self._distrusted.get(key, frozenset()) | {digest}

    async def trust(self, key: TagKey, digest: Digest) -> None:
        """The tag may mean this digest again; raises OSError."""
        await self._inventory.trust(key, digest)
        self._distrusted[key] = self._distrusted.get(key, frozenset()) - {digest}

    def forget(self, keys: Iterable[TagKey]) -> None:
        """Nothing was said of these tags any more; what they may not mean stays."""
        for key in keys:
            self._said.pop(key, None)


def _tag(key: BindingKey) -> TagKey:
    return TagKey(key.authority, key.repository, key.tag)
