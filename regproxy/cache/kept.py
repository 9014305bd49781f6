"""What is stored for one name, told to whoever asks how the next request would be answered."""

from dataclasses import dataclass

from regproxy.cache.lookup import Engines
from regproxy.model.address import Authority
from regproxy.model.entry import BindingKey, GenericKey, LinkKey
from regproxy.model.oci import Kind, Resource
from regproxy.policy.scenario import Gone, Stored


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored; `digest` and the others are empty where nothing is, `here`: the bytes are on disk."""

    stored: Stored | Gone | None = None
    digest: str = ""
    media_type: str = ""
    size: int = 0
    here: bool = False


async def kept(engines: Engines, authority: Authority, resource: Resource) -> Kept:
    """What an anonymous request for this name would find."""
    now = engines.clock()
    store = engines.store
    digest = resource.digest
    key: BindingKey | LinkKey | None = None
    if resource.kind in (Kind.MANIFEST, Kind.BLOB) and digest is not None and digest.verifiable:
        key = LinkKey(authority, resource.repository, resource.kind, digest)
        link = await store.link(key)
        if link is not None:
            here = await store.content(digest) is not None
            return Kept(Stored(now - link.checked_at), str(digest), link.media_type, link.size, here)
    elif resource.kind is Kind.MANIFEST and resource.tag is not None:
        key = BindingKey(authority, resource.repository, resource.tag)
        binding = await store.binding(key)
        if binding is not None:
            state = Stored(now - binding.validated_at) if binding.gone_at is None else Gone(now - binding.gone_at)
            here = await store.content(binding.digest) is not None
            return Kept(state, str(binding.digest), binding.media_type, binding.size, here)
    elif resource.kind in (Kind.TAGS, Kind.REFERRERS, Kind.CATALOG):
        row = await store.generic(GenericKey(authority, resource.target))
        if row is not None:
            here = await store.content(row.digest) is not None
            return Kept(Stored(now - row.validated_at), str(row.digest), "", row.size, here)
    negative = engines.negatives.get(key) if key is not None else None
    return Kept(Gone(now - negative.absent.since)) if negative is not None else Kept()
