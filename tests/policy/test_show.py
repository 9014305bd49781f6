"""A policy shown as it runs: it loads again to the same policy, and redacted it loads and names nothing."""

import json
from collections.abc import Callable
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.model.decision import Cached, Decision, Failures, Negative, Revalidation, StaleIfError, Terms
from regproxy.model.entry import CacheLimits
from regproxy.model.registry import HostPattern, Registry
from regproxy.model.tunnel import TunnelRules
from regproxy.policy.condition import Condition
from regproxy.policy.format import formatted
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.redaction import redacted
from regproxy.policy.show import as_object, show
from regproxy.policy.source import Source
from regproxy.settings.packaged import known_sources, policies_directory
from tests.policy.anysecret import AnySecret
from tests.policy.test_naive import expressions

PACKAGED = ("default", "seed")
TIMES = ("0s", "5m", "1h30m", "1003ms", "2w", "forever")
FAILURES = ("$outage", "[error]", "[dns, tls, 404]", "[5xx, 429, timeout]", "error 500 501")
FULL = r"""policy 1;
let corp = ["harbor.corp.example", "*.lab.corp.example:5000"];
cache { size 1500MB; inactive forever; min-free 5GiB; max-object 1GB; evict lru; durability full; }
client-group prod { address "10.20.0.0/16"; address "fd00:20::/32" "192.0.2.7"; user "ann" "b\"en"; }
client-group guests { user "guest"; }
access { allow prod guests; deny guests; }
registry corp {
    hosts "registry.corp.example:8443";
    aliases "old.corp.example" "older.corp.example:5000";
    token-hosts "login.corp.example";
    redirect-hosts "*.blobs.corp.example";
    allow-address "127.0.0.0/8" "fd00::/8";
    upstream {
        connect-to "older.corp.example:5000" "10.0.0.5:5000";
        connect-to "login.corp.example" "[fd00::1]:443";
        proxy "http://proxy.corp.example:3128";
        connect-timeout 1500ms; first-byte-timeout 2m; idle-timeout 90s; retries 0; connections 4;
    }
    tls {
        ca file "/etc/ssl/corp.pem"; ca file '/etc/ssl/"more".pem';
        client-certificate file "/etc/ssl/us.pem" key file '/etc/ssl/"key".pem'; min-version "1.3";
    }
    auth basic for "team-a/**" "x" { username 'r "a'; password file "/run/a"; clients any "10.0.0.0/8" prod private; }
    auth bearer { token env TOKEN; on-reject fail; present-to "login.corp.example"; }
    auth helper for "new/*" { command "docker-credential-ecr-login"; clients private; }
    auth docker-config for "old/*" { file "/run/config.json"; clients prod; }
    limits { pulls 180/6h; concurrent 32; reserve 40 for prod; }
    client-auth required;
}
registry plain { hosts $corp "[2001:db8::1]:5000"; scheme http; }
registry off { hosts "off.corp.example"; intercept off; tls { verify off; } }
registry pushed { hosts "pushed.corp.example"; push allow; }
tunnel {
    allow "**.corp.example" "git?.{a,b}.example"; deny "*.bad.example"; ports any 8443; allow-address "fc00::/7";
    proxy "http://parent.corp.example:3128"; no-proxy "**.near.example" "10.0.0.0/8";
    connect-timeout 2500ms; idle-timeout 1h;
}
defaults { stale if-error 7d on $outage; revalidate head within 0s; negative 404 410 for 10s; max-object 500MB; }
tier users { match client in ["10.0.0.0/8", "::1"] and host is "registry.corp.example:8443"; deny 403 "see \"wiki\""; }
tier prod { match client in [prod, "::2"] or client is not prod; fresh 1h; }
tier mixed {
    match not (host like "*.corp.example:5000" or registry is corp) and not (not kind is blob);
    fresh 1003ms; prefetch on; readers anyone; recheck 10m; stale auth 0s;
}
tier web { match kind in [other, tags] and path like "/api/**"; fresh origin; stale while-revalidate 1h; keep briefly; }
tier own { match path like "/v2/team/**" or repo is "team/app" or repo matches 'team/\w+'; keep pinned; }
tier etag { match tag is "etag"; revalidate etag; }
warm nightly {
    images "registry.corp.example:8443/team/app:1" "off.corp.example/x:latest";
    every 20m; platforms "linux/amd64" "linux/arm64/v8"; between "22:30" "05:00";
}
tier last { match (tag finds 'rc' or any) or kind not in [manifest, blob] and method is GET; pass; }
"""


def loaded(text: str) -> Policy:
    read = load(Source("shown", text), known_sources(), AnySecret())
    assert read.policy is not None, [finding.sentence for finding in read.diagnostics]
    return read.policy


def value(policy: Policy) -> tuple[object, ...]:
    """All that a policy means."""
    tiers: list[tuple[str, Condition, Decision]] = [(tier.name, tier.condition, tier.decision) for tier in policy.tiers]
    hosts = [(host.registry, host.pattern) for host in policy.hosts]
    rest = policy.groups, policy.access, policy.warm
    return policy.registries, policy.connecting.tunnel, policy.cache, rest, hosts, tiers


def packaged(name: str) -> Policy:
    return loaded((policies_directory() / f"{name}.policy").read_text())


def statement(key: str, *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    written = st.tuples(*arguments).map(lambda given: f"{key} {' '.join(given)}; ")
    return st.just("") | written


def listed(*texts: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([f'"{text}"' for text in texts]), min_size=1, unique=True).map(" ".join)


def terms() -> st.SearchStrategy[str]:
    time = st.sampled_from(TIMES)
    finite = st.sampled_from(TIMES[:-1])
    parts = st.tuples(
        statement("fresh", time),
        statement("stale if-error", time, st.sampled_from(FAILURES).map(lambda listed: f"on {listed}")),
        statement("stale while-revalidate", finite),
        statement("revalidate", st.sampled_from(["head", "etag", "full"])),
        statement("negative", st.sampled_from(["404", "410", "404 410"]), finite.map(lambda time: f"for {time}")),
        statement("max-object", st.sampled_from(["1B", "4MiB", "1.5GB"])),
        statement("keep", st.sampled_from(["normal", "briefly", "pinned"])),
        statement("prefetch", st.sampled_from(["on", "off"])),
        statement("readers", st.sampled_from(["granted", "anyone"])),
        statement("recheck", finite),
        statement("stale auth", finite),
    )
    return parts.map("".join)


def limits() -> st.SearchStrategy[str]:
    parts = st.tuples(
        statement("pulls", st.sampled_from(["180/6h", "1/1ms", "100000/2w", "7/90s"])),
        statement("concurrent", st.sampled_from(["1", "32", "128"])),
    )
    return parts.map("".join)


def upstream() -> st.SearchStrategy[str]:
    time = st.sampled_from(["100ms", "1500ms", "2m", "1h"])
    parts = st.tuples(
        statement("connect-timeout", time),
        statement("first-byte-timeout", time),
        statement("idle-timeout", time),
        statement("retries", st.sampled_from(["0", "5"])),
        statement("connections", st.sampled_from(["1", "128"])),
    )
    return parts.map("".join)


def tls() -> st.SearchStrategy[str]:
    parts = st.tuples(
        statement("min-version", st.sampled_from(['"1.2"', '"1.3"'])),
        statement("verify", st.sampled_from(["on", "off"])),
    )
    return parts.map("".join)


def registries() -> st.SearchStrategy[str]:
    parts = st.tuples(
        listed("a.example", "*.b.example", "c.example:5000", "10.0.0.5:5000", "[2001:db8::1]:80").map(
            lambda hosts: f"hosts {hosts}; "
        ),
        statement("token-hosts", listed("login.example", "auth.example:8443")),
        statement("redirect-hosts", listed("cdn.example", "*.cdn.example:80")),
        statement("scheme", st.sampled_from(["http", "https"])),
        statement("intercept", st.sampled_from(["on", "off"])),
        statement("push", st.sampled_from(["allow", "refuse"])),
        statement("client-auth", st.sampled_from(["preferred", "ours", "required"])),
        statement("allow-address", listed("10.0.0.0/8", "::1/128")),
        upstream().map(lambda inside: f"upstream {{ {inside}}} "),
        tls().map(lambda inside: f"tls {{ {inside}}} "),
        limits().map(lambda inside: f"limits {{ {inside}}} "),
    )
    return parts.map(lambda inside: f"registry generated {{ {''.join(inside)}}}\n")


def policies() -> st.SearchStrategy[str]:
    tunnel = st.tuples(
        statement("allow", listed("**", "*.example", "{a,b}.example")),
        statement("ports", st.sampled_from(["any", "443", "80 8443", "any 22"])),
    )
    cache = st.tuples(
        statement("size", st.sampled_from(["1GiB", "999kB", "1.5TB"])),
        statement("inactive", st.sampled_from(TIMES[1:])),
        statement("min-free", st.sampled_from(["0%", "7%", "12.5%", "3MiB"])),
        statement("max-object", st.sampled_from(["1B", "1GiB", "2TB"])),
        statement("evict", st.sampled_from(["lru", "s3fifo"])),
        statement("durability", st.sampled_from(["full", "data", "none"])),
    )
    decided = terms() | st.just("pass;") | st.just('deny 403 "it\'s \\"no\\" \\\\";')
    tiers = st.lists(st.tuples(expressions(), decided), min_size=1, max_size=4).map(
        lambda some: "".join(f"tier t{at} {{ match {match}; {rest} }}\n" for at, (match, rest) in enumerate(some))
    )
    blocks = st.tuples(
        st.just("") | st.just('include known "registries";\n'),
        cache.map(lambda inside: f"cache {{ {''.join(inside)}}}\n"),
        st.just('registry r { hosts "r.example"; }\n'),
        st.just("") | registries(),
        tunnel.map(lambda inside: f"tunnel {{ {''.join(inside)}}}\n"),
        terms().map(lambda inside: f"defaults {{ {inside}}}\n"),
        tiers,
    )
    return blocks.map(lambda blocks: f"policy 1;\n{''.join(blocks)}")


@given(policies())
@settings(max_examples=150, deadline=None)
def test_what_is_shown_loads_to_the_same_policy(text: str) -> None:
    policy = loaded(text)
    again = loaded(show(policy))
    assert value(again) == value(policy)
    assert show(again) == show(policy)
    assert as_object(again) == as_object(policy)


@pytest.mark.parametrize("text", [FULL, *(show(packaged(name)) for name in PACKAGED)], ids=["full", *PACKAGED])
def test_what_is_shown_is_whole_formatted_and_says_everything(text: str) -> None:
    policy = loaded(text)
    shown = show(policy)
    assert value(loaded(shown)) == value(policy)
    assert formatted(shown) == shown
    assert "$" not in shown.replace(r"\$", "")
    assert "include" not in shown
    assert "defaults" not in shown


def test_every_field_of_a_policy_is_shown() -> None:
    """A new field fails here until `show` writes it: FULL must set it, and what is shown must load to it."""
    policy = loaded(FULL)
    for plain in (CacheLimits(), TunnelRules()):
        set_here = policy.cache if isinstance(plain, CacheLimits) else policy.connecting.tunnel
        same = {one.name for one in fields(plain) if getattr(plain, one.name) == getattr(set_here, one.name)}
        assert same <= {"min_free_share"}, plain
    bare = Registry("bare", (HostPattern("bare.example", 443),))
    for one in fields(Registry):
        assert any(getattr(block, one.name) != getattr(bare, one.name) for block in policy.registries), one.name
    granted = [tier.decision.terms for tier in policy.tiers if isinstance(tier.decision, Cached)]
    for one in fields(Terms):
        if one.name != "stale_while_revalidate":
            assert any(getattr(each, one.name) != getattr(Terms(), one.name) for each in granted), one.name
    known = {StaleIfError: {"duration", "on"}, Revalidation: {"method", "within"}, Negative: {"statuses", "duration"}}
    for type_, names in {**known, Failures: {"classes", "statuses"}}.items():
        assert {one.name for one in fields(type_)} == names


@pytest.mark.parametrize(
    "expression",
    [
        "any",
        'kind is manifest and (tag is "a" or tag is "b")',
        '(tag is "a" or tag is "b") or any',
        "not (kind is blob and method is GET)",
        "not not kind is not blob",
        "(kind is blob and any) and registry in [r]",
        'repo not like ["a/*", "b/**"] or ref not matches \'v\\d\'',
        'host is "r.example:5000" or host like "*.example:80"',
        'client not in ["10.0.0.0/8", "::1/128"]',
    ],
)
def test_an_expression_has_the_parentheses_it_needs(expression: str) -> None:
    policy = loaded(f'policy 1; registry r {{ hosts "r.example"; }} tier a {{ match {expression}; pass; }}')
    assert f"    match {expression};\n" in show(policy)


def test_the_object_has_the_names_of_the_language() -> None:
    shown = as_object(loaded(FULL))
    assert json.loads(json.dumps(shown)) == shown
    assert shown["cache"] == {
        "size": "1500000000B",
        "inactive": "forever",
        "min-free": "5GiB",
        "max-object": "1000000000B",
        "evict": "lru",
        "durability": "full",
    }
    assert isinstance(shown["registry"], list)
    assert shown["registry"][0]["upstream"] == {
        "connect-to": [["registry.corp.example:8443", "10.0.0.5:5000"], ["login.corp.example:443", "[fd00::1]:443"]],
        "proxy": ["http://proxy.corp.example:3128"],
        "connect-timeout": "1s500ms",
        "first-byte-timeout": "2m",
        "idle-timeout": "1m30s",
        "retries": "0",
        "connections": "4",
    }
    assert shown["registry"][0]["limits"] == {"pulls": "180/6h", "concurrent": "32", "reserve": "40 for prod"}
    assert shown["registry"][0]["tls"] == {
        "ca": [["file", "/etc/ssl/corp.pem"], ["file", '/etc/ssl/"more".pem']],
        "client-certificate": 'file "/etc/ssl/us.pem" key file \'/etc/ssl/"key".pem\'',
        "min-version": ["1.3"],
    }
    assert shown["registry"][0]["auth"] == [
        {
            "name": 'basic for "team-a/**" "x"',
            "username": ['r "a'],
            "password": ["file", "/run/a"],
            "clients": 'any "10.0.0.0/8" prod private',
            "on-reject": "anonymous",
        },
        {
            "name": "bearer",
            "token": "env TOKEN",
            "clients": "private",
            "present-to": ["login.corp.example:443"],
            "on-reject": "fail",
        },
        {
            "name": 'helper for "new/*"',
            "command": ["docker-credential-ecr-login"],
            "clients": "private",
            "on-reject": "anonymous",
        },
        {
            "name": 'docker-config for "old/*"',
            "file": ["/run/config.json"],
            "clients": "prod",
            "on-reject": "anonymous",
        },
    ]
    assert "hunter2" not in json.dumps(shown) + show(loaded(FULL)) + repr(loaded(FULL).registries)
    assert isinstance(shown["tier"], list)
    assert shown["tier"][0]["deny"] == ["403", 'see "wiki"']
    assert shown["tier"][1]["stale if-error"] == "7d on [error, 429, 5xx]"


@given(policies())
@settings(max_examples=50, deadline=None)
def test_what_is_redacted_loads(text: str) -> None:
    policy = redacted(loaded(text))
    assert value(loaded(show(policy))) == value(policy)


@pytest.mark.parametrize(
    "render", [show, lambda policy: json.dumps(as_object(policy))], ids=["as text", "as an object"]
)
def test_what_is_redacted_names_nothing(render: Callable[[Policy], str]) -> None:
    shown = render(redacted(loaded(FULL)))
    for (
        name
    ) in "corp harbor registry.corp example lab old login blobs team app wiki pem bad git plain run TOKEN".split():
        assert name not in shown, name
    for kept in ("8443", "10.0.0.0/8", "fd00::/8", "1s3ms", "users", "rc", "403", "127.0.0.0/8"):
        assert kept in shown, kept


def test_a_redacted_name_is_the_same_hash_wherever_it_stands() -> None:
    text = 'policy 1; registry a { hosts "a.corp.example"; } tier t { match %s; pass; }'
    first, second = (
        show(redacted(loaded(text % match))) for match in ('host is "a.corp.example"', 'host like "*.corp.example"')
    )
    host = first.split('hosts     "')[1].split(":443")[0]
    assert f'host is "{host}"' in first
    assert f'host like "*.{host.partition(".")[2]}"' in second
    long = ".".join("a" * 120)
    policy = redacted(loaded(f'policy 1; registry a {{ hosts "{long}"; }}'))
    assert value(loaded(show(policy))) == value(policy)
