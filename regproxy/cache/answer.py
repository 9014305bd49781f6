"""The straight line of one request: classify, decide, look up, plan, then serve or fetch."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import assert_never

from regproxy.cache.ahead import Ahead
from regproxy.cache.blobs import Transfer
from regproxy.cache.callers import Callers
from regproxy.cache.challenge import our_challenge
from regproxy.cache.contents import Contents
from regproxy.cache.generic import Generics
from regproxy.cache.granted import Granted
from regproxy.cache.images import Images
from regproxy.cache.kept import Kept, kept
from regproxy.cache.lists import Lists
from regproxy.cache.local_token import LocalTokens
from regproxy.cache.login import Login, Visit
from regproxy.cache.lookup import Engines, Lookup
from regproxy.cache.manifests import Manifests
from regproxy.cache.passage import Passage
from regproxy.cache.prefetch import Prefetch
from regproxy.cache.purging import Purging
from regproxy.cache.pushes import Pushes, precedes_push
from regproxy.cache.relay import Inflow
from regproxy.cache.replies import refused
from regproxy.cache.tags import Tags
from regproxy.cache.users import Users
from regproxy.cache.wanted import Wanted
from regproxy.cache.warming import Warming
from regproxy.model.account import ANONYMOUS, Account, Anonymous
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Audience, Forget
from regproxy.model.caller import Identified
from regproxy.model.connect import ConnectDecision, ProxyUser, Refuse
from regproxy.model.decision import Cached, Denied, Origin, Passed, PolicyRequest, Terms
from regproxy.model.event import Event, Labels, Outcome, StoreFailed
from regproxy.model.exchange import AskAnswered, Shown, path_of, shown
from regproxy.model.message import is_method, printable
from regproxy.model.oci import Kind, Malformed, OtherPath, Ping, Resource, TokenRequest, classify, is_push
from regproxy.model.registry import Registry
from regproxy.policy.policy import Policy
from regproxy.tls.seal import Seal


class Cache:
    """The core: answers every request that an edge asks about, with one snapshot of the policy each."""

    def __init__(self, engines: Engines, policy: Callable[[], Policy], seal: Callable[[], Seal]) -> None:
        self._engines = engines
        self._policy = policy
        self._passage = Passage(engines)
        tokens = LocalTokens(seal, engines.clock)
        self._callers = Callers(tokens)
        self._login = Login(engines, self._passage, self._callers, tokens)
        self._users = Users(engines, policy)
        manifests = Manifests(engines)
        self._contents = Contents(engines, self._passage, manifests)
        self._tags = Tags(engines, self._passage, manifests)
        self._lists = Lists(engines, self._passage)
        self._pushes = Pushes(engines, self._passage, self._contents, self._tags, self._lists)
        self.granted = Granted(engines)
        self._generics = Generics(engines, self._passage)
        self.images = Images(engines, policy)
        self.purging = Purging(engines, self.images, self._tags)
        self.prefetch = Prefetch(engines, self.images, self._contents.blobs, self.answer)
        self.ahead = Ahead(engines, self.images, self._contents.blobs, self._unseen)
        self.warming = Warming(engines, self.images, self.purging, self.prefetch, policy)

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        """Who a client is by its Proxy-Authorization; from the active policy."""
        return await self._users.identify(client, proof)

    def on_connect(self, authority: Authority, client: str, user: str) -> ConnectDecision:
        """Intercept, tunnel or refuse; from the active policy."""
        return self._policy().on_connect(authority, client, user)

    async def kept(self, authority: Authority, resource: Resource, account: Account = ANONYMOUS) -> Kept:
        """What is stored for a name, and may be served to this account; `authority` is canonical."""
        return await kept(self._engines, authority, resource, account)

    @property
    def fills(self) -> int:
        """How many transfers into the cache are under way."""
        return self._contents.blobs.under_way

    def transfers(self) -> list[Transfer]:
        """What is on its way into the cache."""
        return self._contents.blobs.transfers()

    def watch(self, forget: Callable[[Forget], None]) -> None:
        """Call this whenever answers that may be repeated no longer hold."""
        self._engines.watchers.append(forget)

    def report(self, events: Iterable[Event]) -> None:
        """Take note of what happened at the edge."""
        for event in events:
            self._engines.noted(event)

    async def answer(self, ask: Ask) -> Answer:
        """Answer one request; whatever happens, its body is closed, here or when the relay that carries it ends."""
        inflow = Inflow(ask.body) if ask.body is not None else None
        try:
            answer = await self._answer(self._policy(), ask, inflow)
            self._trace(ask, answer)
            return answer
        finally:
            if inflow is not None and not inflow.carried:
                inflow.close()

    async def _unseen(self, ask: Ask) -> Answer:
        """Answer as if a client asked, and tell nobody that it did."""
        return await self._answer(self._policy(), ask, None)

    def _trace(self, ask: Ask, answer: Answer) -> None:
        """Let it be looked at, where it is about a repository."""
        labels, head = answer.labels, answer.head
        if labels.repository:
            path, sent, received = path_of(ask.target), shown(ask.fields), shown(head.fields)
            exchange = Shown(ask.authority.name, printable(ask.method, 32), path, sent, head.status, received)
            where = labels.registry, labels.repository
            self._engines.report(AskAnswered(ask.client, *where, str(labels.outcome), labels.tier, exchange))

    async def _answer(self, policy: Policy, ask: Ask, inflow: Inflow | None) -> Answer:
        registry = policy.registry_of(ask.authority)
        if registry is None or not _still_meant(registry, ask):
            sentence = f"regproxy: the policy for {ask.authority.name} has changed; connect again"
            return refused(421, "UNSUPPORTED", sentence, Labels(Outcome.LOCAL), (("Connection", "close"),))
        # Remembered answers aside, a connection that was let in is let in anew with each request.
        if not ask.ours and (kept_out := policy.refusal(ask.client, ask.user)) is not None:
            return refused(403, "DENIED", kept_out.reason, Labels(Outcome.DENIED, registry.name))
        if not is_method(ask.method):
            return refused(501, "UNSUPPORTED", "regproxy: no such method", Labels(Outcome.LOCAL, registry.name))
        target = classify(ask.target)
        if inflow is not None and ask.method in ("GET", "HEAD") and not isinstance(target, OtherPath):
            # No registry reads it; what reads the connection behind it must not take it for the next request.
            sentence = "regproxy: a GET or HEAD of a registry has no body"
            labels = Labels(Outcome.LOCAL, registry.name)
            return refused(400, "UNSUPPORTED", sentence, labels, (("Connection", "close"),))
        match target:
            case Malformed(status=status, code=code, sentence=sentence):
                return refused(status, code, f"regproxy: {sentence}", Labels(Outcome.LOCAL, registry.name))
            case Ping():
                return await self._login.ping(Visit(ask, registry, policy))
            case TokenRequest(query=query):
                return await self._login.token(Visit(ask, registry, policy), query, inflow)
            case OtherPath():
                return await self._other(policy, ask, registry, inflow)
            case Resource():
                return await self._resource(policy, ask, registry, target, inflow)
            case _:
                assert_never(target)

    async def _other(self, policy: Policy, ask: Ask, registry: Registry, inflow: Inflow | None) -> Answer:
        path = ask.target.partition("?")[0]
        request = PolicyRequest(
            ask.method, ask.authority.name, registry.name, str(Kind.OTHER), path, client=ask.client, user=ask.user
        )
        decision = policy.on_request(request)
        labels = Labels(Outcome.PASS, registry.name, str(Kind.OTHER), tier=decision.tier)
        match decision:
            case Denied(status=status, text=text):
                return refused(status, "DENIED", _denial(decision.tier, text), replace(labels, outcome=Outcome.DENIED))
            case Cached(terms=terms) if isinstance(terms.fresh, Origin):
                return await self._generics.answer(Wanted(ask, registry, terms, labels), inflow)
            case Passed() | Cached():
                return await self._generics.passed(Wanted(ask, registry, Terms(), labels), inflow)
            case _:
                assert_never(decision)

    async def _resource(
        self, policy: Policy, ask: Ask, registry: Registry, resource: Resource, inflow: Inflow | None
    ) -> Answer:
        decision = policy.on_request(_policy_request(ask, registry, resource))
        caller = self._callers.of(ask, registry, resource.repository)
        place = registry, ask.authority, resource.repository
        lent = policy.own_account(*place) if ask.ours else policy.account(*place, ask.client, ask.user)
        account = caller.own if isinstance(caller, Identified) else lent
        shared = account == ANONYMOUS and not policy.looks_at_clients
        lookup = Lookup(
            ask,
            registry,
            resource,
            decision.tier,
            decision.terms if isinstance(decision, Cached) else Terms(),
            self._engines.clock(),
            Audience.EVERYONE if shared else Audience.CALLER,
            caller,
            account,
        )
        if isinstance(decision, Denied):
            sentence = _denial(decision.tier, decision.text)
            return refused(decision.status, "DENIED", sentence, lookup.labels(Outcome.DENIED))
        labels = lookup.labels(Outcome.LOCAL)
        if is_push(ask.method, resource):
            return await self._pushes.answer(lookup, inflow)
        if ask.method not in ("GET", "HEAD"):
            return refused(405, "UNSUPPORTED", "regproxy: only GET and HEAD", labels, (("Allow", "GET, HEAD"),))
        if registry.client_auth == "required" and not (ask.ours or isinstance(caller, Identified)):
            sentence = f"regproxy: {ask.authority.name} is for clients with a login of their own: log in to it"
            challenge = our_challenge(ask.authority, ask.scheme, resource.repository)
            return refused(401, "UNAUTHORIZED", sentence, labels, challenge)
        match decision:
            case Passed() | Cached() if precedes_push(lookup):
                return await self._passage.streamed(lookup)
            case Passed():
                return await self._passage.streamed(lookup)
            case Cached():
                try:
                    answer = await self._cached(lookup)
                    if resource.kind is Kind.MANIFEST:
                        self.ahead.answered(lookup, answer)
                    return answer
                except OSError as error:
                    # The store cannot be read: a cache failure is never a pull failure.
                    self._engines.report(StoreFailed("look-up", str(error)))
                    return await self._passage.streamed(lookup)
            case _:
                assert_never(decision)

    async def _cached(self, lookup: Lookup) -> Answer:
        resource = lookup.resource
        match resource.kind:
            case Kind.MANIFEST | Kind.BLOB if resource.digest is not None and resource.digest.verifiable:
                return await self._contents.answer(lookup, resource.digest)
            case Kind.MANIFEST if resource.tag is not None:
                return await self._tags.answer(lookup, resource.tag)
            case Kind.TAGS | Kind.REFERRERS | Kind.CATALOG:
                if not isinstance(lookup.terms.fresh, Origin):
                    return await self._lists.answer(lookup)
                if isinstance(lookup.account, Anonymous):
                    return await self._generics.answer(Wanted.list(lookup))
                return await self._passage.streamed(lookup)
            case _:
                return await self._passage.streamed(lookup)


def _still_meant(registry: Registry, ask: Ask) -> bool:
    """Whether a CONNECT now would lead where this connection did when it began, under an earlier policy perhaps."""
    same = registry.canonical(ask.authority) == ask.authority and registry.scheme == ask.scheme
    return same and registry.intercept


def _policy_request(ask: Ask, registry: Registry, resource: Resource) -> PolicyRequest:
    return PolicyRequest(
        ask.method,
        ask.authority.name,
        registry.name,
        str(resource.kind),
        resource.path,
        resource.repository,
        resource.tag or "",
        str(resource.digest or ""),
        ask.client,
        ask.user,
    )


def _denial(tier: str, text: str) -> str:
    return f"regproxy: tier {tier}: {text}"
