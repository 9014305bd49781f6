"""Who may use the proxy, and who is asked who it is."""

from ipaddress import ip_network

import pytest

from regproxy.model.access import Access, ProxyUsers
from regproxy.model.group import ClientGroup
from regproxy.model.secret import Origin

USERS = ProxyUsers(Origin("file", "/run/users"), {"ann": "hash of ann", "ben": "hash of ben"})
LAN = ClientGroup("lan", (ip_network("10.0.0.0/8"),))
OPS = ClientGroup("ops", users=("ann",))
GUESTS = ClientGroup("guests", (ip_network("10.9.0.0/16"),), ("ben",))


@pytest.mark.parametrize(
    ("access", "client", "user", "status"),
    [
        (Access(), "192.0.2.1", "", None),
        (Access(USERS), "192.0.2.1", "", None),
        (Access(USERS), "192.0.2.1", "ann", None),
        (Access(USERS), "192.0.2.1", "gone", 407),
        (Access(), "192.0.2.1", "ann", 407),
        (Access(USERS, (LAN,)), "10.0.0.1", "", None),
        (Access(USERS, (LAN,)), "192.0.2.1", "", 403),
        (Access(USERS, (LAN,)), "192.0.2.1", "ann", 403),
        (Access(USERS, (LAN, OPS)), "192.0.2.1", "", 407),
        (Access(None, (LAN, OPS)), "192.0.2.1", "", 403),
        (Access(USERS, (LAN, OPS)), "192.0.2.1", "ann", None),
        (Access(USERS, (LAN, OPS)), "192.0.2.1", "ben", 403),
        (Access(USERS, (LAN, OPS), (GUESTS,)), "10.9.0.1", "", 403),
        (Access(USERS, (LAN, OPS), (GUESTS,)), "10.9.0.1", "ann", 403),
        (Access(USERS, (), (GUESTS,)), "192.0.2.1", "ben", 403),
        (Access(USERS, (), (GUESTS,)), "192.0.2.1", "", None),
    ],
)
def test_denial_wins_and_a_user_is_asked_for_where_one_would_help(
    access: Access, client: str, user: str, status: int | None
) -> None:
    refusal = access.refusal(client, user)
    assert (refusal.status if refusal is not None else None) == status


def test_a_refusal_says_whom_it_refuses_and_why() -> None:
    refusal = Access(USERS, (), (GUESTS,)).refusal("192.0.2.1", "ben")
    assert refusal is not None
    assert refusal.reason == "regproxy refused ben at 192.0.2.1: access denies client-group guests"


def test_no_hash_is_in_the_representation_of_the_users() -> None:
    assert "hash of" not in repr(Access(USERS))
