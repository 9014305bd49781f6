"""Who may use the proxy: its own users, and the groups of clients that are let in or kept out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from regproxy.model.connect import Refuse
from regproxy.model.group import ClientGroup
from regproxy.model.message import printable
from regproxy.model.secret import Origin

ASK = "regproxy asks who you are: name user and password in the proxy's URL, http://user:password@proxy"
WRONG = "regproxy does not know this user and password; see the URL of the proxy in HTTPS_PROXY"


@dataclass(frozen=True, slots=True)
class ProxyUsers:
    """The users of `users file`: their passwords' hashes, as bcrypt writes them, by name."""

    origin: Origin
    hashes: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """The users of the proxy and its `access { }`: who is denied is kept out; where groups are allowed, nobody else is.

    Without `users` nobody proves to be anybody.
    """

    users: ProxyUsers | None = None
    allow: tuple[ClientGroup, ...] = ()
    deny: tuple[ClientGroup, ...] = ()

    def refusal(self, client: str, user: str) -> Refuse | None:
        """Why this client may not use the proxy, or None; with 407 it may if it says who it is."""
        if user and (self.users is None or user not in self.users.hashes):
            return Refuse(407, WRONG)
        denied = next((group for group in self.deny if group.holds(client, user)), None)
        if denied is not None:
            return _refused(client, user, f"access denies client-group {denied.name}")
        if not self.allow or any(group.holds(client, user) for group in self.allow):
            return None
        if not user and self.users is not None and any(group.users for group in self.allow):
            return Refuse(407, ASK)
        return _refused(client, user, "it is in no client-group that access allows")


def _refused(client: str, user: str, why: str) -> Refuse:
    who = f"{printable(user, 60)} at {client}" if user else client
    return Refuse(403, printable(f"regproxy refused {who}: {why}"))
