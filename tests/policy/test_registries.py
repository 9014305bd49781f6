"""Registry blocks as the data path gets them."""

from ipaddress import ip_network

from regproxy.model.address import Authority
from regproxy.model.registry import ConnectTo, HostPattern, Rate, Registry
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source

KNOWN = {
    "registries": Source(
        "known",
        "policy 1;"
        'registry hub { hosts "hub.example"; aliases "old.example"; token-hosts "auth.example"; }'
        'registry many { hosts "a.example" "b.example" "*.c.example"; }',
    )
}


def policy(text: str) -> Policy:
    loaded = load(Source("test", f"policy 1; {text}"), KNOWN)
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


def test_every_directive_reaches_the_block() -> None:
    found = policy(
        'registry full { hosts "R.example"; aliases "alias.example" "other.example:5000";'
        ' token-hosts "auth.example:8443";'
        ' redirect-hosts "*.cdn.example" "minio.lan:9000"; scheme http; intercept off; push allow;'
        ' allow-address "127.0.0.0/8";'
        ' upstream { connect-to "r.example" "127.0.0.1:5000"; connect-to "auth.example:8443" "[::1]:1"; }'
        ' tls { ca file "/a.pem"; ca file "/b.pem"; } limits { pulls 180/6h; concurrent 32; } }'
    )
    assert found.registries == (
        Registry(
            name="full",
            hosts=(HostPattern("r.example", 80),),
            aliases=(Authority("alias.example", 80), Authority("other.example", 5000)),
            token_hosts=(HostPattern("auth.example", 8443),),
            redirect_hosts=(HostPattern("cdn.example", 443, wildcard=True), HostPattern("minio.lan", 9000)),
            scheme="http",
            intercept=False,
            push=True,
            connect_to=(
                ConnectTo(Authority("r.example", 80), Authority("127.0.0.1", 5000)),
                ConnectTo(Authority("auth.example", 8443), Authority("::1", 1)),
            ),
            ca_files=("/a.pem", "/b.pem"),
            allow_address=(ip_network("127.0.0.0/8"),),
            pulls=Rate(180, 21600.0),
            concurrent=32,
        ),
    )


def test_an_included_block_is_there_as_if_written() -> None:
    assert [block.name for block in policy('include known "registries";').registries] == ["hub", "many"]


def test_a_block_of_the_same_name_replaces_the_included_one() -> None:
    found = policy('include known "registries"; registry hub { hosts "mine.example"; }')
    assert [(block.name, [str(host) for host in block.hosts]) for block in found.registries] == [
        ("hub", ["mine.example"]),
        ("many", ["a.example", "b.example", "*.c.example"]),
    ]


def test_a_host_that_the_policy_names_itself_leaves_the_included_block() -> None:
    found = policy('registry mine { hosts "b.example" "hub.example"; } include known "registries";')
    assert [(block.name, [str(host) for host in block.hosts]) for block in found.registries] == [
        ("mine", ["b.example", "hub.example"]),
        ("many", ["a.example", "*.c.example"]),
    ]
    assert {str(host.pattern) for host in found.hosts} == {"b.example", "hub.example", "a.example", "*.c.example"}


def test_a_wildcard_of_the_policy_takes_the_hosts_of_included_blocks_that_it_names() -> None:
    found = policy('include known "registries"; registry mine { hosts "*.example"; }')
    assert [(block.name, [str(host) for host in block.hosts]) for block in found.registries] == [
        ("mine", ["*.example"]),
        ("many", ["*.c.example"]),
    ]


def test_connecting_elsewhere_for_an_alias_is_for_the_host_it_means() -> None:
    found = policy(
        'registry a { hosts "a.example"; aliases "b.example"; upstream { connect-to "b.example" "10.0.0.1:1"; } }'
    )
    assert found.registries[0].connect_to == (ConnectTo(Authority("a.example", 443), Authority("10.0.0.1", 1)),)


def test_an_alias_that_the_policy_names_itself_leaves_the_included_block() -> None:
    found = policy('include known "registries"; registry mine { hosts "old.example"; }')
    assert {block.name: [str(alias) for alias in block.aliases] for block in found.registries} == {
        "mine": [],
        "hub": [],
        "many": [],
    }


def test_connecting_elsewhere_stands_once_for_a_host_and_its_aliases() -> None:
    text = 'registry a { hosts "a.example"; aliases "b.example"; upstream { connect-to "a.example" "10.0.0.1:1"; %s } }'
    found = load(Source("x", "policy 1; " + text % 'connect-to "b.example" "10.0.0.2:1";'), {})
    assert [(one.code, one.sentence) for one in found.diagnostics] == [
        ("RP106", "`connect-to` stands twice for `a.example`")
    ]
