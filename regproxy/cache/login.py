"""Pings and tokens: every client meets one challenge, ours, and anonymous callers never go upstream for it."""

import asyncio

from regproxy.cache.challenge import (
    ANONYMOUS_ANSWER,
    basic_challenge,
    credential,
    is_anonymous_token_request,
    our_challenge,
)
from regproxy.cache.fetches import Flights
from regproxy.cache.lookup import Engines
from regproxy.cache.passage import Passage
from regproxy.cache.relay import Inflow
from regproxy.cache.replies import API_VERSION, failed, refused, relayed
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Reply
from regproxy.model.entry import Challenge
from regproxy.model.event import Labels, Outcome
from regproxy.model.message import Head, field, media_type, without
from regproxy.model.registry import Registry
from regproxy.upstream.failure import UpstreamFailed

MAX_FORM = 64 * 1024
FORM_SECONDS = 30.0
LEARN_SECONDS = 2.0
_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


class Login:
    """Answers `/v2/` and our token end point."""

    def __init__(self, engines: Engines, passage: Passage) -> None:
        self._engines = engines
        self._passage = passage
        self._challenges: Flights[Authority, Challenge] = Flights(engines)

    async def ping(self, ask: Ask, registry: Registry) -> Answer:
        """401 with our challenge, 200 to our anonymous token, a credential's own verdict to a login."""
        labels = Labels(Outcome.LOCAL, registry.name, "ping")
        if ask.method not in ("GET", "HEAD"):
            return refused(405, "UNSUPPORTED", "regproxy: only GET and HEAD", labels, (("Allow", "GET, HEAD"),))
        if credential(ask.fields) is not None:
            return await self._passage.ping(ask, registry, Labels(Outcome.PASS, registry.name, "ping"))
        if field(ask.fields, "authorization"):
            return Reply(Head(200, (*_JSON, *API_VERSION)), b"{}", labels)
        fields = our_challenge(ask.authority, ask.scheme)
        if (await self._challenge(ask, registry)).scheme == "basic":
            fields = basic_challenge(ask.authority)
        return refused(401, "UNAUTHORIZED", "authentication required", labels, fields)

    async def _challenge(self, ask: Ask, registry: Registry) -> Challenge:
        """How the registry asks; when it cannot be asked soon, ours will do: it works with every upstream dead."""
        task, _ = self._challenges.join(ask.authority, lambda: self._learn(ask, registry))
        done, _ = await asyncio.wait({task}, timeout=LEARN_SECONDS)
        if not done or task.exception() is not None:
            return Challenge("unknown")
        return task.result()

    async def _learn(self, ask: Ask, registry: Registry) -> Challenge:
        return await self._engines.upstream.challenge(registry, ask.authority, ask.scheme)

    async def token(self, ask: Ask, registry: Registry, query: str, inflow: Inflow | None) -> Answer:
        """The anonymous token at once; a login goes upstream as it came, to the realm the registry named."""
        labels = Labels(Outcome.LOCAL, registry.name, "token")
        if ask.method not in ("GET", "POST", "HEAD"):
            return refused(405, "UNSUPPORTED", "regproxy: only GET and POST", labels, (("Allow", "GET, POST"),))
        try:
            async with asyncio.timeout(FORM_SECONDS):
                form = await inflow.read_all(MAX_FORM) if inflow is not None else b""
        except TimeoutError:
            return refused(408, "UNSUPPORTED", f"regproxy: the form did not come within {FORM_SECONDS:g} s", labels)
        except (OSError, ValueError) as error:
            return refused(413, "UNSUPPORTED", f"regproxy: {error}", labels)
        if media_type(field(ask.fields, "content-type")) != "application/x-www-form-urlencoded":
            form = b""
        if is_anonymous_token_request(ask.fields, query, form):
            return Reply(Head(200, _JSON), ANONYMOUS_ANSWER, labels)
        passed = Labels(Outcome.PASS, registry.name, "token")
        try:
            challenge = await self._engines.upstream.challenge(registry, ask.authority, ask.scheme)
            if challenge.scheme != "bearer":
                # A registry without tokens: the login itself is what it wants, and the anonymous token opens the rest.
                return Reply(Head(200, _JSON), ANONYMOUS_ANSWER, labels)
            fields = ask.fields if credential(ask.fields) is not None else without(ask.fields, ["authorization"])
            head, body = await self._engines.upstream.relay_token(
                registry,
                ask.authority,
                ask.scheme,
                fields=fields,
                query=query,
                form=form if ask.method == "POST" else None,
            )
        except UpstreamFailed as error:
            return failed(error, Labels(Outcome.ERROR, registry.name, "token"))
        return relayed(head, body, passed)
