"""One request whose answer the origin describes: what is asked of it, by which fields, and who may share the answer."""

from dataclasses import dataclass, replace

from regproxy.cache.challenge import foreign, our_challenge
from regproxy.cache.lookup import Engines, Lookup
from regproxy.cache.relay import Inflow
from regproxy.freshness.directives import request_directives
from regproxy.freshness.storing import CREDENTIALS, is_personal, may_store
from regproxy.freshness.validation import CONDITIONS, FOR_THE_ORIGIN
from regproxy.model.address import Authority
from regproxy.model.answer import Ask
from regproxy.model.decision import Terms
from regproxy.model.event import Labels, Outcome
from regproxy.model.message import Fields, Head, end_to_end, field, without
from regproxy.model.registry import Registry
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.session import OpenTransfer

Place = tuple[Authority, str]

# What a registry says on /v2/ about the caller of this moment, and never to the next one.
_OF_THE_MOMENT = frozenset(
    "set-cookie docker-ratelimit-source ratelimit-limit ratelimit-remaining ratelimit-reset".split()
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request; with `lookup` it is for a list under /v2/, which we ask for with our own anonymous token."""

    ask: Ask
    registry: Registry
    terms: Terms
    tagged: Labels
    lookup: Lookup | None = None

    @classmethod
    def list(cls, lookup: Lookup) -> "Wanted":
        """A list under /v2/."""
        return cls(lookup.ask, lookup.registry, lookup.terms, lookup.labels(Outcome.PASS), lookup)

    @property
    def place(self) -> Place:
        """Where the answer is kept: nothing is ever shared between authorities."""
        return self.ask.authority, self.ask.target

    @property
    def sent(self) -> Fields:
        """The fields that go to the origin; conditions and ranges are ours to answer."""
        ours = {"authorization"} if foreign(self.ask.fields) is None else frozenset[str]()
        ours |= CREDENTIALS if self.lookup is not None else frozenset[str]()
        return without(end_to_end(self.ask.fields), {"host", "content-length", "expect"} | CONDITIONS | ours)

    @property
    def personal(self) -> bool:
        """Whether the origin is told who asks."""
        return is_personal(self.sent, self.ask.target)

    @property
    def shared(self) -> bool:
        """Whether others that ask meanwhile may have the same answer."""
        return not self.personal and "no-store" not in request_directives(self.ask.fields)

    def is_ours(self, inflow: Inflow | None) -> bool:
        """Whether a cache may answer at all: a GET or HEAD without a body and without conditions for the origin."""
        conditional = any(field(self.ask.fields, name) is not None for name in FOR_THE_ORIGIN)
        return self.ask.method in ("GET", "HEAD") and inflow is None and not conditional

    def labels(self, outcome: Outcome) -> Labels:
        """The core's half of this request's log line."""
        return replace(self.tagged, outcome=outcome)

    def may_store(self, head: Head) -> bool:
        """Whether the origin lets a shared cache store its answer."""
        return may_store(self.sent, self.ask.target, head)

    def lasting(self, head: Head) -> Head:
        """The head without what is only for the caller of this moment."""
        return head if self.lookup is None else Head(head.status, without(head.fields, _OF_THE_MOMENT))

    def shown(self, head: Head) -> Head:
        """An origin's head as the client gets it; under /v2/ there is one challenge, ours."""
        fields = end_to_end(self.lasting(head).fields)
        if self.lookup is not None and head.status == 401:
            challenge = our_challenge(self.ask.authority, self.ask.scheme, self.lookup.resource.repository)
            fields = (*without(fields, ["www-authenticate"]), *challenge)
        return Head(head.status, fields)

    async def open(self, engines: Engines, conditions: Fields, sink: BodySink) -> OpenTransfer:
        """Ask the origin; outside /v2/ redirects are answers like others. Raises UpstreamFailed and ValueError."""
        fields = (*self.sent, *conditions)
        if self.lookup is not None:
            request = self.lookup.upstream(self.ask.method, self.ask.target, fields)
            return await engines.upstream.open(request, self.lookup.resource.repository, sink, self.lookup.account)
        ask = self.ask
        request = UpstreamRequest(
            ask.authority, ask.scheme, self.registry, ask.method, ask.target, fields, "other", span=ask.span
        )
        return await engines.upstream.relay(request, sink)
