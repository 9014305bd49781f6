"""What is stored for one name, told to whoever asks how the next request would be answered."""

from dataclasses import dataclass
from typing import assert_never

from regproxy.cache.grants import Reader
from regproxy.cache.lookup import Engines
from regproxy.model.account import ANONYMOUS, Account
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


async def kept(engines: Engines, authority: Authority, resource: Resource, account: Account = ANONYMOUS) -> Kept:
    """What a request of this account, a stranger's or a lent one, for the name would find."""
    key = _key(authority, resource)
    if await engines.grants.as_of(Reader((authority, resource.repository), account)) is not None:
        found = await _row(engines, authority, resource, key)
        if found is not None:
            return found
    negative = engines.negatives.get((key, account.label)) if key is not None else None
    return Kept(Gone(engines.clock() - negative.absent.since)) if negative is not None else Kept()


def _key(authority: Authority, resource: Resource) -> BindingKey | LinkKey | None:
    """The key of a manifest or a blob; lists have another."""
    digest = resource.digest
    if resource.kind in (Kind.MANIFEST, Kind.BLOB) and digest is not None and digest.verifiable:
        return LinkKey(authority, resource.repository, resource.kind, digest)
    if resource.kind is Kind.MANIFEST and resource.tag is not None:
        return BindingKey(authority, resource.repository, resource.tag)
    return None


async def _row(
    engines: Engines, authority: Authority, resource: Resource, key: BindingKey | LinkKey | None
) -> Kept | None:
    now, store = engines.clock(), engines.store
    match key:
        case LinkKey(digest=digest):
            link = await store.link(key)
            if link is not None:
                here = await engines.content(digest) is not None
                return Kept(Stored(now - link.checked_at), str(digest), link.media_type, link.size, here)
        case BindingKey():
            binding = await store.binding(key)
            if binding is not None:
                state = Stored(now - binding.validated_at) if binding.gone_at is None else Gone(now - binding.gone_at)
                here = await engines.content(binding.digest) is not None
                return Kept(state, str(binding.digest), binding.media_type, binding.size, here)
        case None:
            row = await store.generic(GenericKey(authority, resource.target))
            if row is not None:
                here = await engines.content(row.digest) is not None
                return Kept(Stored(now - row.validated_at), str(row.digest), "", row.size, here)
        case _:
            assert_never(key)
    return None
