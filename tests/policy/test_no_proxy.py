"""NO_PROXY means here what it means to the clients of registries."""

import pytest

from regproxy.policy.no_proxy import MAX_ENTRIES, read_no_proxy


@pytest.mark.parametrize(
    ("text", "hosts", "networks"),
    [
        ("", [], []),
        (" , ,", [], []),
        ("example.com", ["example.com", "**.example.com"], []),
        ("Example.COM.", ["example.com", "**.example.com"], []),
        (".example.com", ["**.example.com"], []),
        ("*.example.com", ["**.example.com"], []),
        ("*", ["**"], []),
        ("localhost, .svc ,.svc", ["localhost", "**.localhost", "**.svc"], []),
        ("10.0.0.1,10.0.0.0/8,10.1.0.0/8", [], ["10.0.0.1/32", "10.0.0.0/8"]),
        ("::1,[fd00::1],fd00::/8", [], ["::1/128", "fd00::1/128", "fd00::/8"]),
    ],
)
def test_entries_are_hosts_or_networks(text: str, hosts: list[str], networks: list[str]) -> None:
    found, ranges = read_no_proxy(text)
    assert (list(found), list(map(str, ranges))) == (hosts, networks)


@pytest.mark.parametrize(
    "text",
    ["example.com:8080", "http://example.com", "a..b", "*example!", "10.0.0.0/33", "host name", "a," * 2 * MAX_ENTRIES],
)
def test_what_is_neither_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|more than"):
        read_no_proxy(text)
