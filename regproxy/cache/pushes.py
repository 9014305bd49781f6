"""Pushes: end to end to the registry, with the client's own credential; what they change is dropped at once."""

import os

from regproxy.cache.challenge import push_challenge
from regproxy.cache.contents import Contents
from regproxy.cache.lists import Lists
from regproxy.cache.lookup import Engines, Lookup
from regproxy.cache.manifests import record
from regproxy.cache.passage import FORWARDED_FIELDS, Passage
from regproxy.cache.relay import Inflow
from regproxy.cache.replies import RELAYED_FIELDS, failed, refused, relayed
from regproxy.cache.tags import Tags
from regproxy.cache.uploading import elsewhere, kept_on_the_registry
from regproxy.model.answer import Answer, Reply, Streaming
from regproxy.model.caller import Identified
from regproxy.model.event import Outcome
from regproxy.model.message import Fields, Head, end_to_end, joined, only, without
from regproxy.model.oci import MANIFEST_TYPES, Kind
from regproxy.store.rows import Changes, Pushed
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest

REFUSED = "regproxy: pushing through this proxy is not allowed; push to the registry directly"
_FORWARDED = FORWARDED_FIELDS | {"content-range", "if-match"}
_DONE = range(200, 300)
_RELAYED = RELAYED_FIELDS | {"oci-chunk-min-length", "oci-tag"}


class Pushes:
    """Relays what changes a repository; knows what of the cache a change overtakes."""

    def __init__(self, engines: Engines, passage: Passage, contents: Contents, tags: Tags, lists: Lists) -> None:
        self._engines = engines
        self._passage = passage
        self._contents = contents
        self._tags = tags
        self._lists = lists

    async def answer(self, lookup: Lookup, inflow: Inflow | None) -> Answer:
        """Relay a request of a push where its registry allows that; only the client's own credential goes along."""
        registry, resource, ask = lookup.registry, lookup.resource, lookup.ask
        if not registry.push:
            return refused(405, "UNSUPPORTED", REFUSED, lookup.labels(Outcome.LOCAL), (("Allow", "GET, HEAD"),))
        fields = only(end_to_end(ask.fields), _FORWARDED)
        authority, target = ask.authority, resource.target
        try:
            moved = elsewhere(registry, resource)
        except ValueError as error:
            return refused(400, "BLOB_UPLOAD_INVALID", f"regproxy: {error}", lookup.labels(Outcome.LOCAL))
        if moved is not None:
            authority, target = moved
        caller = lookup.caller
        if moved is not None or not isinstance(caller, Identified):
            fields = without(fields, ["authorization"])
        elif caller.by_token:
            try:
                fields = await self._proved(lookup, caller, fields)
            except UpstreamFailed as error:
                return self._unproved(lookup, error)
        request = UpstreamRequest(
            authority, ask.scheme, registry, ask.method, target, fields, "upload", inflow, span=ask.span
        )

        def shown(head: Head) -> Head:
            return _shown(lookup, request, head)

        answer = await self._passage.relay(ask, request, lookup.labels(Outcome.PASS), shown, inflow)
        try:
            await self._changed(lookup, answer.head.status)
        except BaseException:
            if isinstance(answer, Streaming):
                os.close(answer.fd)
            raise
        return answer

    async def _proved(self, lookup: Lookup, caller: Identified, fields: Fields) -> Fields:
        """The fields with what the registry wants to see of who holds a token of ours. Raises UpstreamFailed."""
        ask, upstream = lookup.ask, self._engines.upstream
        proof = await upstream.proof(lookup.registry, ask.authority, ask.scheme, caller.scope, caller.own)
        fields = without(fields, ["authorization"])
        return fields if proof is None else (*fields, ("Authorization", proof))

    def _unproved(self, lookup: Lookup, error: UpstreamFailed) -> Reply:
        rejection = self._engines.rejection(lookup, error)
        if rejection is None:
            return failed(error, lookup.labels(Outcome.ERROR))
        head, body = rejection
        challenge = push_challenge(lookup.ask.authority, lookup.ask.scheme, lookup.resource.repository, ())
        return relayed(head, body, lookup.labels(Outcome.PASS), challenge)

    async def _changed(self, lookup: Lookup, status: int) -> None:
        """Drop what means something else now, before the client hears of it."""
        resource, method = lookup.resource, lookup.ask.method
        if method == "GET" or status not in _DONE or (resource.kind is Kind.UPLOAD and status != 201):
            return
        authority, repository = lookup.ask.authority, resource.repository
        engines = self._engines
        # What has a digest means the same as long as it is there.
        deleted = resource.digest if method == "DELETE" else None
        engines.overtaking.pushed(authority, repository, deleted)
        if deleted is not None:
            self._contents.deleted(authority, repository, deleted)
        self._tags.overtaken(authority, repository)
        self._lists.overtaken(authority)
        for key in tuple(engines.negatives):
            if (key[0].authority, key[0].repository) == (authority, repository):
                del engines.negatives[key]
        if resource.kind is not Kind.UPLOAD:
            await record(engines, Changes(pushed=(Pushed(authority, repository, resource.tag or deleted),)))


def precedes_push(lookup: Lookup) -> bool:
    """Whether a HEAD asks what is there before a push: the registry alone knows, whatever is stored here.

    Clients that pull ask for no blob by HEAD, and name several types of manifests; those that push name the one that
    they have.
    """
    resource, accept = lookup.resource, (joined(lookup.ask.fields, "accept") or "").lower()
    if not lookup.registry.push or lookup.ask.method != "HEAD":
        return False
    several = sum(name in accept for name in MANIFEST_TYPES) > 1
    return resource.kind is Kind.BLOB or (resource.kind is Kind.MANIFEST and not several)


def _shown(lookup: Lookup, request: UpstreamRequest, head: Head) -> Head:
    """A registry's head as the client gets it; raises ValueError for an upload that goes on where nobody may."""
    ask, repository = lookup.ask, lookup.resource.repository
    told = Head(head.status, only(end_to_end(head.fields), _RELAYED), head.reason)
    if head.status == 401:
        challenge = push_challenge(ask.authority, ask.scheme, repository, head.fields)
        return Head(401, (*without(told.fields, ["www-authenticate"]), *challenge), head.reason)
    try:
        return kept_on_the_registry(request, ask.authority, repository, told)
    except ValueError:
        if head.status != 201:
            raise
        # Nothing goes on: it says where the new thing is, which the client knows.
        return Head(201, without(told.fields, ["location"]), head.reason)
