"""Which clients a group holds."""

from ipaddress import ip_network

import pytest

from regproxy.model.group import ClientGroup

GROUP = ClientGroup("ci", (ip_network("10.30.0.0/16"), ip_network("2001:db8::/32")), ("runner", "10.9.9.9"))


@pytest.mark.parametrize(
    ("client", "user", "holds"),
    [
        ("10.30.255.255", "", True),
        ("10.31.0.0", "", False),
        ("::ffff:10.30.0.1", "", True),
        ("2001:db8::1", "", True),
        ("2001:db9::1", "", False),
        ("", "", False),
        ("runner", "", False),
        ("10.31.0.0", "runner", True),
        ("10.30.0.1", "somebody", True),
        ("10.31.0.0", "Runner", False),
        ("10.9.9.9", "", False),
    ],
)
def test_a_group_holds_the_clients_of_its_addresses_and_its_users(client: str, user: str, holds: bool) -> None:
    assert GROUP.holds(client, user) is holds
