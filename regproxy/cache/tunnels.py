"""Tunnels through a parent proxy: the core connects, for the edges know nothing of the proxy and its password."""

from collections.abc import Callable

from regproxy.model.address import Authority
from regproxy.model.connect import Refuse, Tunnel
from regproxy.model.message import printable
from regproxy.policy.policy import Policy
from regproxy.upstream.parents import Parents


class Tunnels:
    """Connects for edges, by the active policy, which `policy` gives: what an edge says was decided does not count."""

    def __init__(self, policy: Callable[[], Policy], parents: Parents) -> None:
        self._policy = policy
        self._parents = parents

    async def through_parent(self, authority: Authority, client: str, user: str) -> int | Refuse:
        """A socket that leads to this authority, owned by whoever asked."""
        policy = self._policy()
        decided, parent = policy.on_connect(authority, client, user), policy.connecting.parent(authority)
        if isinstance(decided, Refuse):
            return decided
        if not isinstance(decided, Tunnel) or parent is None:
            return Refuse(503, f"regproxy: the policy for {authority.name} has changed; connect again")
        allow = (*policy.connecting.tunnel.allow_address, *decided.allow)
        try:
            connection = await self._parents.connect(parent, authority, allow, decided.connect)
        except OSError as error:
            status = 504 if isinstance(error, TimeoutError) else 502
            return Refuse(status, printable(f"regproxy cannot reach {authority.name}: {error}"))
        return connection.detach()
