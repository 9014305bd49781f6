"""What a tag means now: one question to the registry, by HEAD or GET, and what of its answer is kept."""

import contextlib
from dataclasses import dataclass, replace

from regproxy.cache.fetches import Answered, answered
from regproxy.cache.lookup import ACCEPT_MANIFESTS, Engines, Lookup, Said
from regproxy.cache.manifests import Manifests, digest_of, record, record_refusal
from regproxy.cache.replies import kept_fields
from regproxy.freshness.verdict import ABSENCES
from regproxy.model.account import ANONYMOUS
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Binding, BindingKey, Content, LinkKey
from regproxy.model.event import DigestMismatched
from regproxy.model.message import Fields, Head, content_length, field, media_type
from regproxy.model.oci import MAX_MANIFEST, Digest, Kind, parse_digest
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed

TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the tag means now; `same`: what it meant before; `body`: the manifest, when a GET brought it."""

    binding: Binding
    same: bool
    body: bytes | None = None


class Resolver:
    """Asks registries what tags mean; one flight for each tag is its caller's business."""

    def __init__(self, engines: Engines, manifests: Manifests) -> None:
        self._engines = engines
        self._manifests = manifests

    async def held(self, key: BindingKey, digest: Digest) -> Content | None:
        """The manifest of this digest, where we have it and the repository is known to."""
        held = await self._engines.held(link_key(key, digest))
        return held[1] if held is not None else None

    async def resolve(
        self, lookup: Lookup, key: BindingKey, binding: Binding | None, method: str
    ) -> Resolved | Answered:
        """Ask what the tag means and keep the answer.

        A HEAD without a digest is followed by a GET, a GET that is limited by a HEAD: it costs no pull, and may name
        what we have.
        """
        accept: Fields = (("Accept", key.accept),) if key.accept else ACCEPT_MANIFESTS
        if method == "head" and (resolved := await self._ask_by_head(lookup, key, accept, binding)) is not None:
            return resolved
        etag = f'"{binding.digest}"' if binding is not None and method == "etag" else None
        fields = (*accept, ("If-None-Match", etag)) if etag else accept
        said = await self._engines.ask(lookup, lookup.upstream("GET", target(key), fields), MAX_MANIFEST)
        if said.head.status == 304 and binding is not None:
            return await self._freshened(key, binding, said)
        if said.head.status == TOO_MANY and method != "head":
            with contextlib.suppress(UpstreamFailed):
                found = await self._ask_by_head(lookup, key, accept, binding)
                if isinstance(found, Resolved) or (found is not None and found.head.status != TOO_MANY):
                    return found
        if said.head.status != 200:
            return await self._not_there(lookup, key, binding, said)
        return await self._by_get(key, binding, said)

    async def _ask_by_head(
        self, lookup: Lookup, key: BindingKey, accept: Fields, binding: Binding | None
    ) -> Resolved | Answered | None:
        """What a HEAD says; None when it names no digest."""
        said = await self._engines.ask(lookup, lookup.upstream("HEAD", target(key), accept), 0)
        if said.head.status != 200:
            return await self._not_there(lookup, key, binding, said)
        return await self._by_head(key, binding, said)

    async def _by_head(self, key: BindingKey, binding: Binding | None, said: Said) -> Resolved | None:
        head = said.head
        try:
            digest = parse_digest(field(head.fields, "docker-content-digest") or "")
            size = content_length(head.fields)
        except ValueError:
            return None
        if size is None or not digest.verifiable:
            return None
        if binding is not None and binding.digest == digest:
            return await self._freshened(key, binding, said)
        found = _new_binding(digest, said, size)
        # What the tag meant is kept until the new manifest is here: a pull limit must not lose both.
        known = binding is None or await self.held(key, digest) is not None
        await record(self._engines, Changes(bindings=((key, found),) if known else (), granted=said.granted))
        self._engines.negatives.pop((key, said.label), None)
        return Resolved(found, same=False)

    async def _by_get(self, key: BindingKey, binding: Binding | None, said: Said) -> Resolved:
        digest = self._named_digest(key, said.head, said.body)
        same = binding is not None and binding.digest == digest
        found = _new_binding(digest, said, len(said.body))
        if same and binding is not None:
            found = replace(found, stored_at=binding.stored_at)
        await self._manifests.keep(link_key(key, digest), said, Changes(bindings=((key, found),)))
        self._engines.negatives.pop((key, said.label), None)
        return Resolved(found, same, said.body)

    def _named_digest(self, key: BindingKey, head: Head, body: bytes) -> Digest:
        """The digest of a tag's manifest; raises UpstreamFailed when the registry names another."""
        named = field(head.fields, "docker-content-digest")
        try:
            digest = parse_digest(named) if named else None
        except ValueError:
            digest = None
        algorithm = digest.algorithm if digest is not None and digest.verifiable else "sha256"
        found = digest_of(body, algorithm)
        if digest is not None and digest.verifiable and digest != found:
            self._engines.report(DigestMismatched(key.authority.name, str(Kind.MANIFEST), str(digest)))
            raise UpstreamFailed(FailureClass.RESET, f"{key.authority.name}: the manifest does not hash to {digest}")
        return found

    async def _freshened(self, key: BindingKey, binding: Binding, said: Said) -> Resolved:
        found = replace(binding, validated_at=said.at, gone_at=None, account=said.label)
        await record(self._engines, Changes(bindings=((key, found),), granted=said.granted))
        return Resolved(found, same=True)

    async def _not_there(self, lookup: Lookup, key: BindingKey, binding: Binding | None, said: Said) -> Answered:
        """The question was refused: the name is gone, or the account may not read there."""
        gone = said.head.status in ABSENCES and binding is not None and binding.gone_at is None
        if gone and binding is not None and await self._counts(lookup, binding, said):
            row = replace(binding, gone_at=self._engines.clock())
            await record(self._engines, Changes(bindings=((key, row),)))
        await record_refusal(self._engines, said)
        return answered(key.authority.name, said.head, said.body)

    async def _counts(self, lookup: Lookup, binding: Binding, said: Said) -> bool:
        """Whether an absence is one of the tag, and not only of what this account may see.

        It is to the account that was told what the tag meant, and to strangers where all is public.
        """
        if binding.account == said.label:
            return True
        return said.label == ANONYMOUS.label and await self._engines.store.granted_at(*lookup.place) is not None


def _new_binding(digest: Digest, said: Said, size: int) -> Binding:
    fields, at = said.head.fields, said.at
    kind = media_type(field(fields, "content-type"))
    return Binding(digest, kind, size, kept_fields(fields), at, at, account=said.label)


def target(key: BindingKey) -> str:
    """The path of the tag's manifest."""
    return f"/v2/{key.repository}/manifests/{key.tag}"


def link_key(key: BindingKey, digest: Digest) -> LinkKey:
    """The key under which the manifest of a tag is linked to its repository."""
    return LinkKey(key.authority, key.repository, Kind.MANIFEST, digest)
