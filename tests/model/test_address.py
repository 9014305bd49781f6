"""One spelling for a host, and what may be dialled."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.address import Authority, Reach, Zone, canonical_host, parse_authority, zone_of


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Quay.IO", "quay.io"),
        ("quay.io.", "quay.io"),
        ("10.1.2.3", "10.1.2.3"),
        ("[::1]", "::1"),
        ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_a_host_has_one_spelling(text: str, canonical: str) -> None:
    assert canonical_host(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a..b", "-a.example", "a-.example", "a" * 64, "a." * 130, "bücher.example", "a\x00b", "a b"),
        *("2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "1.2.3.4.5", "256.1.1.1", "0"),
        *("user@quay.io", "quay.io%00", "quay.io/x", "quay.io?x", "[quay.io]", "[fe80::1%eth0]", "[::1", "::1]"),
    ],
)
def test_other_spellings_of_hosts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a host name"):
        canonical_host(text)


@pytest.mark.parametrize(
    ("text", "default", "authority"),
    [
        ("quay.io:443", None, Authority("quay.io", 443)),
        ("quay.io", 443, Authority("quay.io", 443)),
        ("[::1]:5000", None, Authority("::1", 5000)),
        ("[::1]", 80, Authority("::1", 80)),
        ("Harbor.corp.:5050", None, Authority("harbor.corp", 5050)),
    ],
)
def test_an_authority_is_a_host_and_a_port(text: str, default: int | None, authority: Authority) -> None:
    assert parse_authority(text, default) == authority


@pytest.mark.parametrize(
    "text", ["quay.io", "quay.io:", "quay.io:0", "quay.io:65536", "quay.io:+1", "quay.io:٤", "a:b:c"]
)
def test_an_authority_without_a_valid_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|host"):
        parse_authority(text)


@given(st.text(max_size=60))
def test_a_canonical_host_is_its_own_canonical_host(text: str) -> None:
    try:
        host = canonical_host(text)
    except ValueError:
        return
    assert canonical_host(host) == host


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("1.1.1.1", Zone.PUBLIC),
        ("2606:4700::1111", Zone.PUBLIC),
        *((a, Zone.PRIVATE) for a in ("10.0.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1")),
        *((a, Zone.CLOSED) for a in ("127.0.0.1", "127.255.255.254", "0.0.0.0", "169.254.169.254", "168.63.129.16")),
        *((a, Zone.CLOSED) for a in ("100.100.100.200", "192.0.0.192", "224.0.0.1", "240.0.0.1", "255.255.255.255")),
        *((a, Zone.CLOSED) for a in ("::", "::1", "fe80::1", "fec0::1", "ff02::1", "fd00:ec2::254", "2001:db8::1")),
        *((a, Zone.CLOSED) for a in ("::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::")),
        ("::ffff:10.0.0.1", Zone.PRIVATE),
        ("64:ff9b::a00:1", Zone.PRIVATE),
        ("64:ff9b::101:101", Zone.PUBLIC),
    ],
)
def test_an_address_is_public_private_or_closed(address: str, zone: Zone) -> None:
    assert zone_of(ipaddress.ip_address(address)) is zone


def test_private_addresses_are_for_named_hosts_and_listed_ones_for_all() -> None:
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    assert Reach().refusal("1.1.1.1", 443) is None
    assert "private" in (Reach().refusal("10.0.0.1", 443) or "")
    assert Reach(named=True).refusal("10.0.0.1", 443) is None
    assert "loopback" in (Reach(named=True).refusal("127.0.0.1", 443) or "")
    assert Reach(allow=loopback).refusal("127.0.0.1", 443) is None
    assert Reach(allow=loopback).refusal("::ffff:127.0.0.1", 443) is None


def test_the_proxy_never_dials_itself_whatever_is_allowed() -> None:
    reach = Reach(True, (ipaddress.ip_network("0.0.0.0/0"),), frozenset({Authority("127.0.0.1", 3128)}))
    assert "itself" in (reach.refusal("127.0.0.1", 3128) or "")
    assert "itself" in (reach.refusal("::ffff:127.0.0.1", 3128) or "")
    assert reach.refusal("127.0.0.1", 3129) is None
