"""How registries ask for credentials: what was learned of each, and the one question that learns it."""

from typing import Protocol

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.registry import Registry
from regproxy.upstream.admission import Admission
from regproxy.upstream.authenticate import read_challenge
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.gate import MAX_SWALLOWED
from regproxy.upstream.limited import Limited
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.single_flight import SingleFlight
from regproxy.upstream.small import small_body


class Challenges(Protocol):
    """Where what we learned of an authority is kept, over restarts."""

    def get(self, authority: Authority) -> Challenge | None:
        """The challenge last seen, if any."""
        ...

    def put(self, authority: Authority, challenge: Challenge) -> None:
        """Remember it."""
        ...


class Learning:
    """Learns challenges, each authority's once however many wait; owns the questions under way."""

    def __init__(self, admission: Admission, challenges: Challenges) -> None:
        self._admission = admission
        self._challenges = challenges
        self._flights: SingleFlight[Authority, Challenge] = SingleFlight()

    def known(self, authority: Authority) -> Challenge | None:
        """The challenge last seen, if any."""
        return self._challenges.get(authority)

    def learn(self, authority: Authority, challenge: Challenge | None) -> None:
        """Take note of what a registry's answer said, if it said something."""
        if challenge is not None and self._challenges.get(authority) != challenge:
            self._challenges.put(authority, challenge)

    async def ask(self, registry: Registry, authority: Authority, scheme: str) -> Challenge:
        """As remembered, or as GET /v2/ says; scheme `none`: the registry asks for none. Raises UpstreamFailed."""
        known = self._challenges.get(authority)
        if known is not None:
            return known
        ping = UpstreamRequest(authority, scheme, registry, "GET", "/v2/", (), "ping")
        return await self._flights.run(authority, lambda: self._ping(ping))

    async def close(self) -> None:
        """End what is under way."""
        await self._flights.close()

    async def _ping(self, ping: UpstreamRequest) -> Challenge:
        name = ping.authority.name
        try:
            head, _ = await small_body(self._admission, ping, MAX_SWALLOWED)
        except Limited as limited:
            raise UpstreamFailed(FailureClass.CREDENTIAL, limited.sentence, ours=True) from limited
        except ValueError as error:
            raise UpstreamFailed(FailureClass.RESET, f"{name}: {error}") from error
        learned = read_challenge(head.fields) if head.status == 401 else Challenge("none")
        if learned is None:
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{name}: asks for credentials in a way that we do not know")
        if head.status >= 500:
            raise UpstreamFailed(FailureClass.CREDENTIAL, f"{name}: GET /v2/ answered {head.status}")
        self.learn(ping.authority, learned)
        return learned
