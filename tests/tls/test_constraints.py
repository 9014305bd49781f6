"""Name constraints as RFC 5280 §4.2.1.10 reads them."""

import ipaddress

import pytest
from cryptography import x509

from regproxy.tls.constraints import Constraints, constraints_of, extension, minimal
from tests.tls.making import make

EVERYTHING = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@pytest.mark.parametrize(
    ("subtrees", "name", "passes"),
    [
        (("quay.io",), "quay.io", True),
        (("quay.io",), "cdn.quay.io", True),
        (("quay.io",), "evilquay.io", False),
        (("quay.io",), "io", False),
        (("Quay.IO",), "quay.io", True),
        ((".quay.io",), "cdn.quay.io", True),
        ((".quay.io",), "quay.io", False),
        (("",), "anything.example", True),
        (("a.example", "b.example"), "x.b.example", True),
        (None, "anything.example", True),
    ],
)
def test_a_permitted_subtree_holds_itself_and_all_below(
    subtrees: tuple[str, ...] | None, name: str, passes: bool
) -> None:
    assert Constraints(permitted_names=subtrees).permits(name) is passes


def test_an_excluded_subtree_wins_over_a_permitted_one() -> None:
    constraints = Constraints(permitted_names=("example",), excluded_names=("bank.example",))
    assert constraints.permits("shop.example")
    assert not constraints.permits("www.bank.example")


def test_an_address_is_bound_by_networks_and_not_by_names() -> None:
    assert Constraints(permitted_names=("quay.io",)).permits("192.0.2.1")
    assert not Constraints(permitted_names=("quay.io",), excluded_networks=EVERYTHING).permits("192.0.2.1")
    assert not Constraints(excluded_networks=EVERYTHING).permits("2001:db8::1")
    corporate = Constraints(permitted_networks=(ipaddress.ip_network("10.0.0.0/8"),))
    assert corporate.permits("10.1.2.3")
    assert not corporate.permits("192.0.2.1")
    assert corporate.permits("quay.io")


def test_the_fewest_subtrees_say_it() -> None:
    names = [
        "registry-1.docker.io",
        "docker.io",
        "*.corp.example",
        "Quay.io",
        "quay.io",
        ".lab.example",
        "evildocker.io",
    ]
    assert minimal(names) == ("corp.example", "docker.io", "evildocker.io", "lab.example", "quay.io")


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "[::1]", "registry:5000", "a b", "", "*", "a.*.example", "bücher.example"]
)
def test_a_permit_that_is_no_name_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="is no name to permit"):
        minimal([text])


def test_a_certificate_says_what_was_put_into_it() -> None:
    constrained = make("constrained", extensions=(extension(["quay.io", "docker.io"]),))
    assert constraints_of(constrained.certificate) == Constraints(("docker.io", "quay.io"), (), None, EVERYTHING)
    assert constraints_of(make("plain").certificate) is None
    elsewhere = x509.NameConstraints([x509.RFC822Name("example.com")], None)
    assert constraints_of(make("mail", extensions=(elsewhere,)).certificate) is None
