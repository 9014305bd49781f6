"""What a CONNECT leads to."""

import pytest

from regproxy.model.address import Authority, parse_authority
from regproxy.model.connect import ConnectDecision, Intercept, Refuse, Tunnel
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source

REGISTRIES = """
registry hub { hosts "registry-1.docker.io"; aliases "docker.io"; token-hosts "auth.docker.io"; }
registry lan {
    hosts "harbor.lan:5000" "*.apps.lan" "10.0.0.5:5000" "127.0.0.1:5000";
    redirect-hosts "minio.lan:9000" "127.0.0.1:9000";
    allow-address "127.0.0.0/8";
}
registry bare { hosts "127.0.0.2:5000" "127.0.0.3:5000"; upstream { connect-to "127.0.0.3:5000" "10.0.0.1:80"; } }
registry plain { hosts "plain.lan" "plain.lan:8080"; scheme http; }
registry off { hosts "off.lan"; aliases "alias.lan"; intercept off; allow-address "10.0.0.0/8"; }
registry wide { hosts "*.off.lan"; }
registry one { hosts "one.off.lan"; token-hosts "off.lan"; }
"""


def policy(tunnel: str = "") -> Policy:
    loaded = load(Source("test", f"policy 1;{REGISTRIES}{tunnel}"), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


def decide(authority: str, tunnel: str = "") -> ConnectDecision:
    return policy(tunnel).on_connect(parse_authority(authority), "192.0.2.1")


@pytest.mark.parametrize(
    ("authority", "host", "registry", "scheme"),
    [
        ("registry-1.docker.io:443", "registry-1.docker.io:443", "hub", "https"),
        ("docker.io:443", "registry-1.docker.io:443", "hub", "https"),
        ("harbor.lan:5000", "harbor.lan:5000", "lan", "https"),
        ("a.apps.lan:443", "a.apps.lan:443", "lan", "https"),
        ("10.0.0.5:5000", "10.0.0.5:5000", "lan", "https"),
        ("127.0.0.1:5000", "127.0.0.1:5000", "lan", "https"),
        ("127.0.0.3:5000", "127.0.0.3:5000", "bare", "https"),
        ("plain.lan:80", "plain.lan:80", "plain", "http"),
        ("plain.lan:8080", "plain.lan:8080", "plain", "http"),
        ("two.off.lan:443", "two.off.lan:443", "wide", "https"),
        ("one.off.lan:443", "one.off.lan:443", "one", "https"),
    ],
)
def test_what_a_block_names_is_intercepted(authority: str, host: str, registry: str, scheme: str) -> None:
    assert decide(authority) == Intercept(parse_authority(host), registry, scheme)


@pytest.mark.parametrize("authority", ["auth.docker.io:443", "minio.lan:9000", "127.0.0.1:9000", "off.lan:443"])
def test_token_hosts_redirect_hosts_and_blocks_that_do_not_intercept_are_tunnelled(authority: str) -> None:
    decision = decide(authority, 'tunnel { deny "**"; }')
    assert isinstance(decision, Tunnel)
    assert decision.named


PARENT = (
    'tunnel {{ proxy "http://parent.lan:3128"; no-proxy "**.near.example" "near.example" "10.0.0.0/8" "fd00::1/128"; '
    'allow-address "10.0.0.0/8" "fd00::/8"; connect-timeout 2s; idle-timeout 1m; {more} }}\n'
    'registry own {{ hosts "a.example"; token-hosts "login.example" "b.near.example"; '
    'upstream {{ proxy "http://own.lan:3128"; }} }}\n'
)


@pytest.mark.parametrize(
    ("authority", "parent"),
    [
        ("github.com:443", "parent.lan:3128"),
        ("1.1.1.1:443", "parent.lan:3128"),
        ("auth.docker.io:443", "parent.lan:3128"),
        ("off.lan:443", "parent.lan:3128"),
        ("login.example:443", "own.lan:3128"),
        ("near.example:443", None),
        ("a.b.near.example:443", None),
        ("b.near.example:443", None),
        ("10.1.2.3:443", None),
        ("[fd00::1]:443", None),
        ("[fd00::2]:443", "parent.lan:3128"),
        # A name is the proxy's to look up: no network holds it.
        ("10.0.0.0.example:443", "parent.lan:3128"),
    ],
)
def test_a_tunnel_leads_through_the_proxy_but_to_who_is_spared(authority: str, parent: str | None) -> None:
    found = policy(PARENT.format(more=""))
    decision = found.on_connect(parse_authority(authority), "192.0.2.1")
    assert isinstance(decision, Tunnel)
    assert (decision.parent, decision.connect, decision.idle) == (parent is not None, 2.0, 60.0)
    way = found.connecting.parent(parse_authority(authority))
    assert (str(way.authority) if way is not None else None) == parent


@pytest.mark.parametrize("authority", ["169.254.169.254:443", "127.0.0.1:443", "github.com:22", "deny.example:443"])
def test_the_proxy_is_no_way_around_the_rules(authority: str) -> None:
    assert isinstance(decide(authority, PARENT.format(more='deny "deny.example";')), Refuse)


def test_without_a_proxy_tunnels_lead_straight() -> None:
    assert decide("github.com:443") == Tunnel((), named=False)


def test_a_named_tunnel_reaches_what_its_blocks_allow() -> None:
    decision = decide("off.lan:443")
    assert isinstance(decision, Tunnel)
    assert [str(network) for network in decision.allow] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("authority", "tunnel", "reason"),
    [
        ("a.example:443", "", None),
        ("a.example:80", "", "port 80 is not open for tunnels; add it to tunnel { ports } or name the registry"),
        ("harbor.lan:443", "", None),
        ("a.b.apps.lan:443", "", None),
        ("apps.lan:443", "", None),
        ("a.example:8443", "tunnel { ports 443 8443; }", None),
        ("a.example:1", "tunnel { ports any; }", None),
        ("a.example:443", 'tunnel { allow "*.example"; }', None),
        ("a.b.example:443", 'tunnel { allow "**.example" "b.example"; }', None),
        (
            "a.b.example:443",
            'tunnel { allow "*.example"; }',
            "it is not among the hosts to tunnel to; add it to tunnel { allow } or name the registry",
        ),
        (
            "a.example:443",
            'tunnel { allow "**"; deny "A.example"; }',
            "the policy denies tunnels to it; remove it from tunnel { deny }",
        ),
        ("8.8.8.8:443", "", None),
        ("10.0.0.1:443", 'tunnel { allow-address "10.0.0.0/8"; }', None),
        ("10.0.0.1:443", "", "10.0.0.1 is a private address; add it to tunnel { allow-address }"),
        (
            "[::ffff:127.0.0.1]:443",
            "",
            "127.0.0.1 is a loopback, link-local or reserved address; add it to tunnel { allow-address }",
        ),
        (
            "169.254.169.254:443",
            'tunnel { allow-address "10.0.0.0/8"; }',
            "169.254.169.254 is a loopback, link-local or reserved address; add it to tunnel { allow-address }",
        ),
        (
            "127.0.0.2:5000",
            "",
            "127.0.0.2 is a loopback, link-local or reserved address; add it to registry bare { allow-address }",
        ),
    ],
)
def test_what_nobody_names_is_tunnelled_or_refused_with_the_way_out(
    authority: str, tunnel: str, reason: str | None
) -> None:
    decision = decide(authority, tunnel)
    if reason is None:
        assert isinstance(decision, Tunnel)
        assert not decision.named
    else:
        assert decision == Refuse(403, f"regproxy refused {parse_authority(authority)}: {reason}")


def test_a_reason_fits_a_reason_phrase_and_keeps_its_end() -> None:
    decision = policy().on_connect(Authority(".".join(["a" * 60] * 4), 22), "")
    assert isinstance(decision, Refuse)
    assert len(decision.reason) == 200
    assert decision.reason.isascii()
    assert decision.reason.endswith("or name the registry")


def test_the_registry_of_an_authority_is_found_by_its_hosts_and_aliases_only() -> None:
    found = {
        name: block.name if (block := policy().registry_of(parse_authority(name, 443))) else None
        for name in ("docker.io", "auth.docker.io", "a.apps.lan", "a.b.apps.lan", "off.lan", "1.2.3.4")
    }
    assert found == {
        "docker.io": "hub",
        "auth.docker.io": None,
        "a.apps.lan": "lan",
        "a.b.apps.lan": None,
        "off.lan": "off",
        "1.2.3.4": None,
    }
