"""What callers show before they are served: a grant that stands, or the registry's word, asked for with their login."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace

from regproxy.cache.fetches import Answered, Flights
from regproxy.cache.grants import Place
from regproxy.cache.lookup import ACCEPT_ANY, Engines, Lookup, Party
from regproxy.cache.manifests import record
from regproxy.cache.passage import refusal
from regproxy.cache.replies import refused
from regproxy.freshness.verdict import ABSENCES
from regproxy.model.account import ANONYMOUS, Own
from regproxy.model.answer import Reply
from regproxy.model.event import Outcome
from regproxy.model.login import BearerToken
from regproxy.model.message import Head
from regproxy.model.oci import MAX_MANIFEST
from regproxy.model.refusal import refusal as refusal_of_ours
from regproxy.store.rows import Changes
from regproxy.upstream.failure import UpstreamFailed

# One cheap question upstream, as the account of the lookup; it takes note of whom the answer lets read.
Question = Callable[[Lookup], Awaitable[Answered]]

_HIDDEN = frozenset({401, 403, 404})
_TOO_MANY = 429


def login_wanted(name: str) -> tuple[Head, bytes]:
    """What a stranger hears where only callers with a login read."""
    return refusal_of_ours(401, "UNAUTHORIZED", f"regproxy: {name} wants a login for this repository")


def _must_ask(lookup: Lookup) -> Reply:
    sentence = "regproxy: only-if-cached, and whether you may read it must be asked"
    return refused(504, "UNAVAILABLE", sentence, lookup.labels(Outcome.LOCAL))


def _admitted(lookup: Lookup) -> Lookup:
    """Its caller may read all that is stored there."""
    return replace(lookup, as_of=math.inf, lapsed=False)


class Admittance:
    """Admits callers to what is stored; owns the questions whether they still may."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._rechecks: Flights[tuple[Place, Party], Answered] = Flights(engines)

    async def admit(self, lookup: Lookup, ask: Question) -> Lookup | Reply:
        """The lookup, its `as_of` set where the caller may be served what is stored; or why not, for the caller.

        Without a login nothing more can be shown: what is then asked for upstream is as good a question, unless it is
        known that a login is what is missing. Clients that log in only when they are told to are told so at once.
        """
        as_of = await self._engines.grants.as_of(lookup.reader)
        if as_of is not None:
            return self._as_of(lookup, as_of)
        if lookup.account == ANONYMOUS:
            return await self._stranger(lookup, ask)
        if not isinstance(lookup.account, Own):
            return lookup
        if lookup.only_if_cached:
            return _must_ask(lookup)
        return await self._asked(lookup, self._ask(lookup, lookup.account, ask))

    def _as_of(self, lookup: Lookup, as_of: float | None) -> Lookup:
        lapsed = as_of is not None and self._engines.grants.until(lookup.reader, as_of) <= self._engines.clock()
        return replace(lookup, as_of=as_of, lapsed=lapsed)

    async def readmit(self, lookup: Lookup, ask: Question) -> Lookup:
        """The lookup of a caller that may read what strangers read, for whom nothing of that is stored.

        What came later is for a caller of its own grant, which is asked for again; in an outage it stands on.
        """
        limited = lookup.as_of is not None and lookup.as_of < math.inf and not lookup.only_if_cached
        if not limited or not isinstance(lookup.account, Own) or not self._engines.grants.has_lapsed(lookup.reader):
            return lookup
        found = await self._asked(lookup, self._renewed(lookup, lookup.account, ask))
        return found if isinstance(found, Lookup) else lookup

    async def _asked(self, lookup: Lookup, answer: Awaitable[Lookup | Reply]) -> Lookup | Reply:
        try:
            return await answer
        except UpstreamFailed as error:
            return self._cannot_tell(lookup, error.detail)
        except ValueError:
            # An answer too large to be looked at: it is streamed, as the caller's own, and nothing stored is touched.
            return lookup

    async def _stranger(self, lookup: Lookup, ask: Question) -> Lookup | Reply:
        grants, reader = self._engines.grants, lookup.reader
        if grants.needs_login(reader):
            return refusal(lookup, *login_wanted(lookup.ask.authority.name))
        if not grants.needs_login(reader, extended=True):
            return lookup
        try:
            said = await ask(lookup)
        except (UpstreamFailed, ValueError):
            return refusal(lookup, *login_wanted(lookup.ask.authority.name))
        return lookup if said.head.status < 400 else refusal(lookup, said.head, said.body)

    async def _ask(self, lookup: Lookup, own: Own, ask: Question) -> Lookup | Reply:
        """What strangers may read needs no login, now or in an outage; so they are asked for first, once in a while."""
        if not isinstance(own.login, BearerToken) and not await self._is_private(lookup, ask):
            return _admitted(lookup)
        return await self._renewed(lookup, own, ask)

    async def _renewed(self, lookup: Lookup, own: Own, ask: Question) -> Lookup | Reply:
        if self._engines.grants.has_lapsed(lookup.reader):
            # Whoever lost access may still hold a token that was got before.
            self._engines.upstream.renew(own)
        said = await ask(lookup)
        status = said.head.status
        if status < 400:
            return _admitted(lookup)
        if status >= 500 or (status == _TOO_MANY and self._engines.grants.outlasts(lookup.reader)):
            return self._cannot_tell(lookup, f"{lookup.ask.authority.name} answers {status}")
        return refusal(lookup, said.head, said.body)

    async def _is_private(self, lookup: Lookup, ask: Question) -> bool:
        grants, reader = self._engines.grants, lookup.reader
        if reader.alone or grants.is_private(reader):
            return True
        said = await self._readable(replace(lookup, account=ANONYMOUS), ask)
        return said.head.status >= 400

    def _cannot_tell(self, lookup: Lookup, cause: str) -> Lookup | Reply:
        """An outage: a grant that stood a while ago stands on, and nobody is let in whom we do not know."""
        if self._engines.grants.outlasts(lookup.reader):
            return _admitted(lookup)
        where = lookup.resource.repository or "the catalog"
        sentence = f"regproxy: whether you may read {where} cannot be asked now: {cause}"
        return refused(503, "UNAVAILABLE", sentence, lookup.labels(Outcome.ERROR))

    # What was open to strangers, or to those who are lent a credential, is asked about again after a while.

    async def recheck(self, lookup: Lookup, ask: Question) -> Reply | None:
        """Why the caller is not served what is stored and fresh; None: it is, and was asked about where that is due.

        A registry that cannot say takes nothing away, and one that does not say so within the tier's time is waited
        for by nobody: what was open is served, as in any outage.
        """
        if not lookup.lapsed:
            return None
        if lookup.only_if_cached:
            return _must_ask(lookup)
        task, _ = self._rechecks.join((lookup.place, lookup.party), lambda: self._again(lookup, ask))
        done, _ = await asyncio.wait({task}, timeout=lookup.terms.revalidate.within)
        cause = f"{lookup.ask.authority.name} takes too long"
        if done:
            try:
                said = task.result()
            except (UpstreamFailed, ValueError) as error:
                cause = str(error)
            else:
                status = said.head.status
                if status < 400:
                    return None
                if status < 500 and status != _TOO_MANY:
                    return refusal(lookup, said.head, said.body)
                cause = f"{lookup.ask.authority.name} answers {status}"
        if await self._engines.grants.as_of(lookup.reader) is not None:
            return None
        # Strangers were refused meanwhile, and of this caller nobody can tell.
        found = self._cannot_tell(lookup, cause)
        return found if isinstance(found, Reply) else None

    async def recheck_origin(self, lookup: Lookup) -> Reply | None:
        """The same for a list that is as fresh as its origin says."""
        as_of = await self._engines.grants.as_of(lookup.reader)
        return await self.recheck(self._as_of(lookup, as_of), self._repository)

    async def _again(self, lookup: Lookup, ask: Question) -> Answered:
        """Ask as strangers do, and as a caller with a login where they are refused.

        By tokens of now: those of before say what was.
        """
        own, renew = lookup.account, self._engines.upstream.renew
        if isinstance(own, Own) and not isinstance(own.login, BearerToken):
            renew(ANONYMOUS, lookup.place)
            said = await self._readable(replace(lookup, account=ANONYMOUS), ask)
            if said.head.status not in _HIDDEN:
                return said
        renew(own, lookup.place)
        return await self._readable(lookup, ask)

    async def _readable(self, lookup: Lookup, ask: Question) -> Answered:
        """What the registry says of whether this account reads there.

        That something is not there may mean that strangers do not see it, so then the repository is asked for.
        """
        said = await ask(lookup)
        if said.head.status not in ABSENCES or not lookup.resource.repository:
            return said
        return await self._repository(lookup)

    async def _repository(self, lookup: Lookup) -> Answered:
        """What the registry says of the repository as such; where it knows none, nobody was let in."""
        request = lookup.upstream("GET", f"/v2/{lookup.resource.repository}/tags/list?n=1", ACCEPT_ANY)
        there = await self._engines.ask(lookup, request, MAX_MANIFEST)
        withdrawn = there.withdrawn
        if there.head.status in ABSENCES:
            self._engines.grants.hidden(lookup.place)
            withdrawn = ((*lookup.place, there.label),)
        await record(self._engines, Changes(granted=there.granted, withdrawn=withdrawn))
        return Answered(there.head, there.body)
