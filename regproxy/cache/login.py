"""Pings and tokens: every client meets one challenge, ours, and a login is asked about once, not for every pull."""

import asyncio
import json
from dataclasses import dataclass
from typing import assert_never

from regproxy.cache.callers import Callers, login_of, scope_of
from regproxy.cache.challenge import ANONYMOUS_ANSWER, basic_challenge, our_challenge
from regproxy.cache.fetches import Flights
from regproxy.cache.local_token import TOKEN_SECONDS, LocalTokens, readable
from regproxy.cache.lookup import Engines
from regproxy.cache.passage import Passage
from regproxy.cache.relay import Inflow
from regproxy.cache.replies import API_VERSION, refused
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Reply
from regproxy.model.caller import Identified, Stranger
from regproxy.model.entry import Challenge
from regproxy.model.event import Labels, Outcome
from regproxy.model.login import BearerToken
from regproxy.model.message import Fields, Head, field, media_type
from regproxy.model.registry import Registry
from regproxy.policy.policy import Policy
from regproxy.upstream.failure import Rejected, UpstreamFailed

MAX_FORM = 64 * 1024
FORM_SECONDS = 30.0
LEARN_SECONDS = 2.0
_WRONG = 401
_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


@dataclass(frozen=True, slots=True)
class Visit:
    """A ping or a token request, the block of its registry, and the policy of the moment."""

    ask: Ask
    registry: Registry
    policy: Policy

    def labels(self, kind: str, outcome: Outcome = Outcome.LOCAL) -> Labels:
        """The core's half of its log line."""
        return Labels(outcome, self.registry.name, kind)


class Login:
    """Answers `/v2/` and our token end point; owns the questions about logins that are under way."""

    def __init__(self, engines: Engines, passage: Passage, callers: Callers, tokens: LocalTokens) -> None:
        self._engines = engines
        self._passage = passage
        self._callers = callers
        self._tokens = tokens
        self._challenges: Flights[Authority, Challenge] = Flights(engines)
        # Some token services refuse a good login for a repository that it may not read.
        self._questions: Flights[tuple[Authority, str, str], None] = Flights(engines)

    async def ping(self, visit: Visit) -> Answer:
        """401 with our challenge, 200 to a token of ours, the registry's verdict to a login."""
        ask, registry, labels = visit.ask, visit.registry, visit.labels("ping")
        if ask.method not in ("GET", "HEAD"):
            return refused(405, "UNSUPPORTED", "regproxy: only GET and HEAD", labels, (("Allow", "GET, HEAD"),))
        caller = self._callers.of(ask, registry, None)
        match caller:
            case Stranger():
                bears = field(ask.fields, "authorization") is not None and registry.client_auth == "preferred"
                if bears or registry.client_auth == "ours":
                    return _welcome(labels)
                return refused(401, "UNAUTHORIZED", "authentication required", labels, await self._asking(visit))
            case Identified(own=own) if isinstance(own.login, BearerToken):
                return await self._passage.ping(ask, registry, visit.labels("ping", Outcome.PASS))
            case Identified(by_token=True):
                return _welcome(labels)
            case Identified():
                refusal = await self._refusal(visit, caller, "", labels)
                return refusal if refusal is not None else _welcome(labels)
            case _:
                assert_never(caller)

    async def _asking(self, visit: Visit) -> Fields:
        """Our challenge, in the scheme of the registry; when that cannot be asked soon, the one that always works.

        Who is lent a credential needs no login, and is not asked for a password.
        """
        ask = visit.ask
        if visit.policy.lends(visit.registry, ask.client, ask.user):
            return our_challenge(ask.authority, ask.scheme)
        task, _ = self._challenges.join(ask.authority, lambda: self._learn(visit))
        done, _ = await asyncio.wait({task}, timeout=LEARN_SECONDS)
        basic = bool(done) and task.exception() is None and task.result().scheme == "basic"
        return basic_challenge(ask.authority) if basic else our_challenge(ask.authority, ask.scheme)

    async def _learn(self, visit: Visit) -> Challenge:
        return await self._engines.upstream.challenge(visit.registry, visit.ask.authority, visit.ask.scheme)

    async def token(self, visit: Visit, query: str, inflow: Inflow | None) -> Answer:
        """The anonymous token at once; a login that the registry accepts gets one that stands for it."""
        ask, registry, labels = visit.ask, visit.registry, visit.labels("token")
        if ask.method not in ("GET", "POST", "HEAD"):
            return refused(405, "UNSUPPORTED", "regproxy: only GET and POST", labels, (("Allow", "GET, POST"),))
        form = await _form(ask, inflow, labels)
        if isinstance(form, Reply):
            return form
        try:
            login = login_of(ask.fields, query, form) if registry.client_auth != "ours" else None
            if login is None:
                return self._anonymous(visit, labels)
            caller, scope = self._callers.known(ask.authority, login), scope_of(query, form)
            token = self._tokens.issue(ask.authority, login, scope)
        except ValueError as error:
            return refused(401, "UNAUTHORIZED", f"regproxy: {error}", labels)
        repository = next(readable(scope), "")
        refusal = await self._refusal(visit, caller, repository, labels)
        if refusal is not None:
            return refusal
        body = json.dumps({"token": token, "access_token": token, "expires_in": TOKEN_SECONDS})
        return Reply(Head(200, _JSON), body.encode(), labels)

    def _anonymous(self, visit: Visit, labels: Labels) -> Reply:
        if visit.registry.client_auth == "required":
            name = visit.ask.authority.name
            return refused(401, "UNAUTHORIZED", f"regproxy: {name} is for clients with a login: log in to it", labels)
        return Reply(Head(200, _JSON), ANONYMOUS_ANSWER, labels)

    async def _refusal(self, visit: Visit, caller: Identified, repository: str, labels: Labels) -> Reply | None:
        """Why a login opens nothing; None where the registry accepts it, or did, and cannot be asked now."""
        ask, grants, own = visit.ask, self._engines.grants, caller.own
        recheck, extension = visit.policy.recheck, visit.policy.stale_auth
        if grants.is_good(ask.authority, own, recheck):
            return None
        verify = self._engines.upstream.verify
        registry, authority, scheme = visit.registry, ask.authority, ask.scheme
        task, _ = self._questions.join(
            (authority, own.identity, repository), lambda: verify(registry, authority, scheme, repository, own)
        )
        try:
            await asyncio.shield(task)
        except Rejected as rejected:
            if rejected.status == _WRONG:
                grants.rejected(authority, own)
            return refused(401, "UNAUTHORIZED", f"regproxy: {rejected.detail}", labels, await self._asking(visit))
        except UpstreamFailed as error:
            if grants.is_good(authority, own, recheck + extension):
                return None
            sentence = f"regproxy: {authority.name} cannot be asked now whether it knows {caller.name}: {error.detail}"
            return refused(503, "UNAVAILABLE", sentence, visit.labels(labels.kind, Outcome.ERROR))
        grants.accepted(authority, own)
        return None


async def _form(ask: Ask, inflow: Inflow | None, labels: Labels) -> bytes | Reply:
    """The form of a token request, empty for any other body; or why it cannot be read."""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            form = await inflow.read_all(MAX_FORM) if inflow is not None else b""
    except TimeoutError:
        return refused(408, "UNSUPPORTED", f"regproxy: the form did not come within {FORM_SECONDS:g} s", labels)
    except (OSError, ValueError) as error:
        return refused(413, "UNSUPPORTED", f"regproxy: {error}", labels)
    kind = media_type(field(ask.fields, "content-type"))
    return form if kind == "application/x-www-form-urlencoded" else b""


def _welcome(labels: Labels) -> Reply:
    return Reply(Head(200, (*_JSON, *API_VERSION)), b"{}", labels)
