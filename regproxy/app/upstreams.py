"""The admin socket's calls about registries: how each stands, a question to one, and not asking one for a while."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from regproxy.admin.route import Parameter, Route, number
from regproxy.model.address import Authority, parse_authority
from regproxy.model.upstream_state import UpstreamState
from regproxy.policy.policy import Policy
from regproxy.policy.reference import HUB_NAMES, HUB_REGISTRY
from regproxy.telemetry.lately import Lately
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.session import Upstream
from regproxy.upstream.standing import Standing

Query = Mapping[str, str]
Told = Mapping[str, object]

BLOCKED_SECONDS, MAX_BLOCKED_SECONDS = 3600, 31 * 86400
MAX_ANSWER = 64 * 1024

_REGISTRY = Parameter("registry", "a host such as quay.io", required=True)
_SECONDS = Parameter("seconds", f"up to {MAX_BLOCKED_SECONDS}; {BLOCKED_SECONDS} if not given")


class UpstreamCalls:
    """Answers the calls; wrong queries are ValueError, a sentence. `policy` gives the active one."""

    def __init__(self, standing: Standing, upstream: Upstream, policy: Callable[[], Policy], lately: Lately) -> None:
        self._lately = lately
        self._standing = standing
        self._upstream = upstream
        self._policy = policy

    def routes(self) -> tuple[Route, ...]:
        """All calls."""
        return (
            Route("GET", "/upstreams", self.listed),
            Route("POST", "/upstreams/test", self.test, (_REGISTRY,)),
            Route("POST", "/upstreams/block", self.block, (_REGISTRY, _SECONDS)),
            Route("POST", "/upstreams/unblock", self.unblock, (_REGISTRY,)),
        )

    async def listed(self, _query: Query) -> Told:
        """Every registry that the policy names exactly, and what is known of others; `first_byte` in milliseconds."""
        return {"upstreams": self.states()}

    def states(self) -> list[Told]:
        """The same, for who shows it."""
        policy = self._policy()
        named = (
            Authority(pattern.host, pattern.port)
            for registry in policy.registries
            for pattern in registry.hosts
            if registry.intercept and not pattern.wildcard
        )
        return [_state(policy, self._lately, one) for one in self._standing.states(named)]

    async def test(self, query: Query) -> Told:
        """Ask a registry for `/v2/` now, as it is asked for images: names, proxies, certificates and limits count."""
        authority = self._authority(query)
        registry = self._policy().registry_of(authority)
        if registry is None:
            raise ValueError(f"the policy names no registry {authority.name}")
        began = time.monotonic()
        request = UpstreamRequest(authority, registry.scheme, registry, "GET", "/v2/", (), "ping")
        status, failure, detail = 0, "", ""
        try:
            head, _, _ = await self._upstream.fetch(request, "", MAX_ANSWER)
            status = head.status
        except UpstreamFailed as error:
            failure, detail = str(error.failure), error.detail
        except ValueError as error:
            failure, detail = "reset", str(error)
        milliseconds = round((time.monotonic() - began) * 1000, 1)
        told = {"registry": registry.name, "authority": authority.name, "status": status}
        return {**told, "milliseconds": milliseconds, "failure": failure, "detail": detail}

    async def block(self, query: Query) -> Told:
        """Ask a registry nothing for `seconds`: what is stored is served as if it were away."""
        authority = self._authority(query)
        seconds = number(query, "seconds", BLOCKED_SECONDS, MAX_BLOCKED_SECONDS)
        return {"authority": authority.name, "blocked_until": self._standing.block(authority, float(seconds))}

    async def unblock(self, query: Query) -> Told:
        """Ask a registry again at once, also where it failed in a row."""
        authority = self._authority(query)
        return {"authority": authority.name, "changed": self._standing.unblock(authority)}

    def _authority(self, query: Query) -> Authority:
        name = query.get("registry", "")
        if not name:
            raise ValueError("`registry` is missing: a host such as quay.io")
        if name in HUB_NAMES:
            name = HUB_REGISTRY
        authority = parse_authority(name, 443)
        plain = Authority(authority.host, 80)
        policy = self._policy()
        if policy.registry_of(authority) is None and policy.registry_of(plain) is not None:
            authority = plain
        registry = policy.registry_of(authority)
        return registry.canonical(authority) if registry is not None else authority


def _state(policy: Policy, lately: Lately, one: UpstreamState) -> Told:
    registry = policy.registry_of(one.authority)
    latency = lately.latency(registry.name) if registry is not None else None
    failure = lately.failure(registry.name) if registry is not None else None
    return {
        "authority": one.authority.name,
        "registry": registry.name if registry is not None else "",
        "cause": one.cause,
        "first_byte": asdict(latency) if latency is not None else None,
        "last_failure": asdict(failure) if failure is not None else None,
        "open_until": one.open_until,
        "held_until": one.held_until,
        "blocked_until": one.blocked_until,
        "allowed": [
            {
                "account": each.account,
                "limit": each.limit,
                "remaining": each.remaining,
                "window": each.window,
                "observed_at": each.observed_at,
            }
            for each in one.allowed
        ],
    }
