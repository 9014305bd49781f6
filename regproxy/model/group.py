"""Clients that a policy names as one: where their connections come from, and the users that they proved to be."""

from dataclasses import dataclass

from regproxy.model.address import Network, client_address


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """A `client-group NAME { }` block."""

    name: str
    addresses: tuple[Network, ...] = ()
    users: tuple[str, ...] = ()

    def holds(self, client: str, user: str = "") -> bool:
        """Whether a client belongs to the group, by its address or by the user that it proved to be, if any."""
        if user and user in self.users:
            return True
        address = client_address(client)
        return address is not None and any(address in network for network in self.addresses)
