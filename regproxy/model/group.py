"""Clients that a policy names as one: where their connections come from."""

from dataclasses import dataclass

from regproxy.model.address import Network, client_address


@dataclass(frozen=True, slots=True)
class ClientGroup:
    """A `client-group NAME { }` block."""

    name: str
    addresses: tuple[Network, ...]

    def holds(self, client: str) -> bool:
        """Whether the client at this address belongs to the group; what is no address belongs to none."""
        address = client_address(client)
        return address is not None and any(address in network for network in self.addresses)
