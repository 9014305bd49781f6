"""Which authorities a block names."""

from regproxy.model.address import Authority
from regproxy.model.registry import HostPattern, Registry

HUB = Registry(
    "hub",
    (HostPattern("registry-1.docker.io", 443),),
    aliases=(Authority("index.docker.io", 443),),
    token_hosts=(HostPattern("auth.docker.io", 443),),
)


def test_an_alias_is_the_blocks_single_host() -> None:
    assert HUB.canonical(Authority("index.docker.io", 443)) == Authority("registry-1.docker.io", 443)
    assert HUB.serves(Authority("index.docker.io", 443))
    assert not HUB.serves(Authority("registry-1.docker.io", 5000))


def test_token_hosts_are_named_but_not_served() -> None:
    assert HUB.names(Authority("auth.docker.io", 443))
    assert not HUB.serves(Authority("auth.docker.io", 443))


def test_a_wildcard_is_exactly_one_label() -> None:
    pattern = HostPattern("gcr.io", 443, wildcard=True)
    assert pattern.matches(Authority("eu.gcr.io", 443))
    assert not pattern.matches(Authority("gcr.io", 443))
    assert not pattern.matches(Authority("a.eu.gcr.io", 443))
    assert str(pattern) == "*.gcr.io"
