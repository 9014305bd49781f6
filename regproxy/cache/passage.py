"""Requests that nothing is stored of: passed by the policy, or too large to keep."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from regproxy.cache.challenge import foreign, our_challenge
from regproxy.cache.excerpt import Excerpt, Follow, opened
from regproxy.cache.lookup import ACCEPT_ANY, ACCEPT_MANIFESTS, Engines, Lookup
from regproxy.cache.relay import Inflow, Outflow
from regproxy.cache.replies import API_VERSION, RELAYED_FIELDS, failed, relayed, unusable
from regproxy.cache.verification import Prefix
from regproxy.model.answer import Answer, Ask, Reply, Streaming
from regproxy.model.event import DigestMismatched, Labels, Outcome
from regproxy.model.message import Fields, Head, end_to_end, only, without
from regproxy.model.oci import Kind
from regproxy.model.registry import Registry
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.session import OpenTransfer

# What of a client's request on /v2/ may travel on when it is not ours alone.
FORWARDED_FIELDS = frozenset(
    "accept range if-range if-none-match if-modified-since authorization user-agent content-type".split()
)


class Passage:
    """Streams answers end to end; owns the relays' tasks through the engines."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def streamed(self, lookup: Lookup, prefix: Prefix | None = None) -> Answer:
        """Stream a resource under /v2/ as the lookup's account; `prefix` is what is known of it already."""
        resource, ask = lookup.resource, lookup.ask
        fields = only(ask.fields, FORWARDED_FIELDS - {"authorization", "user-agent", "accept"})
        accept = only(ask.fields, frozenset(["accept"])) or (
            ACCEPT_MANIFESTS if resource.kind is Kind.MANIFEST else ACCEPT_ANY
        )
        request = lookup.upstream(ask.method, resource.target, (*accept, *fields))

        def follow(request: UpstreamRequest, sink: BodySink) -> Coroutine[Any, Any, OpenTransfer]:
            return self._engines.upstream.open(request, resource.repository, sink, lookup.account)

        return await self._resource(lookup, request, follow, prefix)

    async def _resource(
        self, lookup: Lookup, request: UpstreamRequest, follow: Follow, prefix: Prefix | None
    ) -> Answer:
        digest = lookup.resource.digest

        def mismatched() -> None:
            resource = lookup.resource
            name = lookup.ask.authority.name
            self._engines.report(DigestMismatched(name, str(resource.kind), resource.reference))

        try:
            if digest is not None and digest.verifiable and request.method == "GET":
                head, transfer, outflow = await Excerpt(request, digest, follow, prefix, mismatched).open()
            else:
                head, transfer, outflow = await opened(request, follow)
        except (UpstreamFailed, ValueError) as error:
            answer = self._engines.rejection(lookup, error)
            if answer is not None:
                return refusal(lookup, *answer)
            return failed(unusable(lookup.ask.authority, error), lookup.labels(Outcome.ERROR))
        shown = _v2_head(lookup.ask, head, lookup.resource.repository)
        return self._stream(transfer, outflow, shown, lookup.labels(Outcome.PASS))

    async def ping(self, ask: Ask, registry: Registry, labels: Labels) -> Answer:
        """Relay `/v2/` with the client's own credential: is it good?"""
        fields = only(end_to_end(ask.fields), FORWARDED_FIELDS)
        request = UpstreamRequest(
            ask.authority, ask.scheme, registry, ask.method, "/v2/", fields, "other", span=ask.span
        )
        return await self.relay(ask, request, labels, lambda head: _v2_head(ask, head, ""))

    async def other(self, ask: Ask, registry: Registry, labels: Labels, inflow: Inflow | None) -> Answer:
        """Pass any other path unchanged in both directions."""
        ours = ["authorization"] if foreign(ask.fields) is None else []
        fields = without(end_to_end(ask.fields), ["host", "content-length", "expect", *ours])
        request = UpstreamRequest(
            ask.authority, ask.scheme, registry, ask.method, ask.target, fields, "other", inflow, span=ask.span
        )
        # Redirects and all fields are the client's.
        return await self.relay(
            ask, request, labels, lambda head: Head(head.status, end_to_end(head.fields)), inflow, follows=False
        )

    async def relay(
        self,
        ask: Ask,
        request: UpstreamRequest,
        labels: Labels,
        shown: Callable[[Head], Head],
        inflow: Inflow | None = None,
        *,
        follows: bool = True,
    ) -> Answer:
        """Stream an answer with the fields given, its head as `shown`, which raises ValueError to refuse it."""
        outflow = Outflow()
        transfer = None
        try:
            transfer = await self._engines.upstream.relay(request, outflow, follows=follows)
            head = shown(transfer.head)
        except (UpstreamFailed, ValueError) as error:
            if transfer is not None:
                transfer.cancel()
            outflow.discard()
            return failed(unusable(ask.authority, error), replace(labels, outcome=Outcome.ERROR))
        except BaseException:
            outflow.discard()
            raise
        outflow.carry(inflow)
        return self._stream(transfer, outflow, head, labels)

    def _stream(self, transfer: OpenTransfer, outflow: Outflow, head: Head, labels: Labels) -> Streaming:
        self._engines.spawn(outflow.run(transfer))
        return Streaming(head, outflow.fd, outflow, labels)


def _v2_head(ask: Ask, head: Head, repository: str) -> Head:
    fields: Fields = only(end_to_end(head.fields), RELAYED_FIELDS)
    if head.status == 401:
        ours = our_challenge(ask.authority, ask.scheme, repository)
        fields = (*without(fields, ["www-authenticate"]), *ours)
    return Head(head.status, fields, head.reason)


def refusal(lookup: Lookup, head: Head, body: bytes) -> Reply:
    """An upstream's answer other than 200, for the client: its fields filtered, its challenge replaced by ours."""
    challenge = our_challenge(lookup.ask.authority, lookup.ask.scheme, lookup.resource.repository)
    reply = relayed(head, body, lookup.labels(Outcome.MISS), challenge)
    fields = (*without(reply.head.fields, ["docker-distribution-api-version"]), *API_VERSION)
    return replace(reply, head=replace(reply.head, fields=fields))
