"""Tests of who a client is, compiled: its address and its user are looked up once for all of them."""

from regproxy.model.address import client_address
from regproxy.model.decision import PolicyRequest
from regproxy.policy.operand import FromNetwork, InGroup


class ClientTable:
    """The bits of operands by the addresses and users that they admit; false while it has none."""

    def __init__(self) -> None:
        # By version and bits behind the prefix, then by the prefix.
        self._networks: dict[tuple[int, int], dict[int, int]] = {}
        self._users: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._networks or self._users)

    def add(self, operand: FromNetwork | InGroup, bit: int) -> None:
        """Give an operand its bit; several may name the same range or user."""
        for network in operand.networks:
            shift = network.max_prefixlen - network.prefixlen
            table = self._networks.setdefault((network.version, shift), {})
            number = int(network.network_address) >> shift
            table[number] = table.get(number, 0) | bit
        for user in operand.users:
            self._users[user] = self._users.get(user, 0) | bit

    def bits(self, request: PolicyRequest) -> int:
        """The bits of the operands that admit the client of a request."""
        found = self._users.get(request.user, 0)
        address = client_address(request.client)
        if address is None:
            return found
        number, version = int(address), address.version
        for (of_version, shift), table in self._networks.items():
            if of_version == version:
                found |= table.get(number >> shift, 0)
        return found
