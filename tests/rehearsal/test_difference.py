"""What changes from one policy to another: with requests that both decide, held against requests by chance."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.model.decision import PolicyRequest
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.rehearsal.difference import difference
from regproxy.rehearsal.overlap import outcome
from regproxy.rehearsal.reference import rehearse
from tests.rehearsal.generated import REGISTRIES, Requests, expressions, policy

DIGEST = f"sha256:{'a' * 64}"
OUTCOMES = ("pass", "fresh 1h", 'deny 403 "no"')
TIERS = """tier release { match tag matches 'v?\\d+(\\.\\d+)*'; fresh 1h; }
tier tags { match kind is manifest; fresh 5m; }
tier rest { match any; pass; }
"""


def written(text: str) -> Policy:
    loaded = load(Source("x.policy", f"policy 1;\n{text}"), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


def decided(asked: Policy, words: str) -> str:
    method, url, *by = words.split()
    request = rehearse(asked, url, method, by[1] if by else "").request
    assert request is not None
    return asked.on_request(request).tier


@pytest.mark.parametrize(
    ("old", "new", "request_", "tiers"),
    [
        (r"(\.\d+)*", r"(\.\d+)+", "GET https://hub.example/v2/library/redis/manifests/0", ("release", "tags")),
        ("5m", "6m", "GET https://hub.example/v2/library/redis/manifests/latest", ("tags", "tags")),
        ("match any", "match kind is other", "GET https://hub.example/v2/library/redis/tags/list", ()),
        ("pass", 'deny 403 "no"', f"GET https://hub.example/v2/library/redis/blobs/{DIGEST}", ("rest", "rest")),
    ],
)
def test_a_changed_tier_is_shown_by_a_request(old: str, new: str, request_: str, tiers: tuple[str, ...]) -> None:
    before, after = written(REGISTRIES + TIERS), written(REGISTRIES + TIERS.replace(old, new, 1))
    found = difference(before, after)
    assert [one.subject for one in found.changes] == ([request_] if tiers else [])
    assert found.equal is not bool(tiers)
    assert tuple(decided(one, request_) for one in (before, after)) == (tiers or ("rest", "unmatched"))


def test_what_is_only_written_otherwise_is_equal_and_a_new_name_is_told() -> None:
    other = r"""tier versions { match kind is manifest and tag matches '(v|)[0-9]+(?:[.]\d{1,})*'; fresh 60m; }
    tier tags { match not (kind in [blob, tags, referrers, catalog, upload, other]); fresh 300s; }
    tier rest { match kind is other or not path like "/x/**"; pass; }
    """
    found = difference(written(REGISTRIES + TIERS), written(REGISTRIES + other))
    assert found.equal
    assert found.renamed == (("release", "versions"),)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            'registry a { hosts "a.example"; }',
            'registry b { hosts "a.example" "b.example"; }',
            [("CONNECT b.example:443", "tunnel (allowed by the tunnel rules)", "intercept as b.example (registry b)")],
        ),
        (
            'registry a { hosts "a.example"; }',
            'registry a { hosts "a.example"; aliases "z.example"; }',
            [("CONNECT z.example:443", "tunnel (allowed by the tunnel rules)", "intercept as a.example (registry a)")],
        ),
        (
            'registry a { hosts "a.example"; }',
            'registry a { hosts "a.example"; aliases "[fd12::7]:5000"; }',
            [("CONNECT [fd12::7]:5000", "refuse 403", "intercept as a.example (registry a)")],
        ),
        (
            "",
            'registry a { hosts "[fd12::7]:5000"; }',
            [("CONNECT [fd12::7]:5000", "refuse 403", "intercept as [fd12::7]:5000 (registry a)")],
        ),
        (
            'registry a { hosts "*.a.example"; }',
            'registry a { hosts "*.a.example"; token-hosts "t.a.example"; redirect-hosts "r.example"; }',
            [
                ("settings of registry a", "as they are", "other token-hosts, redirect-hosts"),
                ("CONNECT r.example:443", "tunnel (allowed by the tunnel rules)", "tunnel (named in a registry block)"),
            ],
        ),
        (
            'registry all { hosts "*.a.example"; }',
            'registry all { hosts "*.a.example"; } registry b { hosts "b.a.example"; tls { ca file "/b.pem"; } }',
            [("settings of registry b", "as they are", "other ca-files")],
        ),
        (
            "tunnel { ports 443 22; }",
            "tunnel { ports 443; }",
            [("CONNECT example.com:22", "tunnel (allowed by the tunnel rules)", "refuse 403")],
        ),
        (
            "tunnel { deny '*.ads.example' 'x.example'; }",
            "tunnel { deny '{*.ads,x}.example'; }",
            [],
        ),
        (
            "tunnel { deny '*.ads.example'; }",
            "tunnel { deny '*-a.ads.example'; }",
            [("CONNECT a.ads.example:443", "refuse 403", "tunnel (allowed by the tunnel rules)")],
        ),
        (
            "",
            "tunnel { allow-address '127.0.0.0/8'; }",
            [
                ("tunnel allow-address", "none", "127.0.0.0/8"),
                ("CONNECT example.com:443", "tunnel", "tunnel (allowed by the tunnel rules), also to 127.0.0.0/8"),
                ("CONNECT 127.0.0.1:443", "refuse 403", "tunnel (allowed by the tunnel rules), also to 127.0.0.0/8"),
                ("CONNECT 127.0.0.0:443", "refuse 403", "tunnel (allowed by the tunnel rules), also to 127.0.0.0/8"),
            ],
        ),
        (
            "",
            "tunnel { proxy 'http://p.example:3128'; no-proxy '**.near.example' '10.0.0.0/8'; }",
            [
                ("tunnel proxy", "none", "p.example:3128"),
                ("tunnel no-proxy", "none", "**.near.example 10.0.0.0/8"),
                (
                    "CONNECT example.com:443",
                    "tunnel (allowed by the tunnel rules)",
                    "tunnel (allowed by the tunnel rules) through a proxy",
                ),
            ],
        ),
        (
            "tunnel { proxy 'http://p.example:3128'; no-proxy '**.near.example'; }",
            "tunnel { proxy 'http://p.example:3128'; connect-timeout 9s; idle-timeout 1h; }",
            [
                ("tunnel no-proxy", "**.near.example", "none"),
                ("tunnel connect-timeout", "5s", "9s"),
                ("tunnel idle-timeout", "10m", "1h"),
                (
                    "CONNECT a.near.example:443",
                    "tunnel (allowed by the tunnel rules)",
                    "tunnel (allowed by the tunnel rules) through a proxy",
                ),
            ],
        ),
        (
            'registry a { hosts "a.example"; token-hosts "t.example"; }',
            'registry a { hosts "a.example"; token-hosts "t.example"; upstream { proxy "http://p.example:3128"; } }',
            [
                ("settings of registry a", "as they are", "other proxy"),
                (
                    "CONNECT t.example:443",
                    "tunnel (named in a registry block)",
                    "tunnel (named in a registry block) through a proxy",
                ),
            ],
        ),
        (
            'registry a { hosts "a.example:80"; }',
            'registry a { hosts "a.example:80"; scheme http; allow-address "10.0.0.0/8"; }',
            [
                ("settings of registry a", "as they are", "other allow-address"),
                (
                    "CONNECT a.example:80",
                    "intercept as a.example:80",
                    "intercept as a.example:80 (registry a), over pl",
                ),
            ],
        ),
        (
            "cache { size 1GiB; }",
            "cache { size 1500MiB; inactive 36h; min-free 3GiB; }",
            [
                ("cache size", "1GiB", "1500MiB"),
                ("cache inactive", "60d", "1d12h"),
                ("cache min-free", "10%", "3GiB"),
            ],
        ),
        (
            "cache { max-object 1GiB; }",
            "cache { evict lru; durability none; }",
            [
                ("cache max-object", "1GiB", "no limit"),
                ("cache evict", "s3fifo", "lru"),
                ("cache durability", "data", "none"),
            ],
        ),
    ],
)
def test_connections_and_settings_that_change_are_told(old: str, new: str, changes: list[tuple[str, str, str]]) -> None:
    found = difference(written(old), written(new))
    assert len(found.changes) == len(changes)
    for change, (subject, before, after) in zip(found.changes, changes, strict=True):
        assert change.subject == subject
        assert change.old.startswith(before)
        assert change.new.startswith(after)


@given(st.lists(expressions(), min_size=1, max_size=4), st.lists(expressions(), min_size=1, max_size=4), st.integers(0))
@settings(max_examples=60, deadline=None)
def test_each_difference_is_one_and_equal_policies_decide_alike(old: list[str], new: list[str], seed: int) -> None:
    before, after = policy(old, OUTCOMES), policy(new, OUTCOMES)
    found = difference(before, after)

    def outcomes(request: PolicyRequest) -> tuple[object, object]:
        return outcome(before.on_request(request)), outcome(after.on_request(request))

    for change in found.changes:
        method, url, *by = change.subject.split()
        user = by[2] if "user" in by else ""
        client = by[-1] if by and by[-2] in ("by", "at") else ""
        request = rehearse(before, url, method, client, user).request
        assert request is not None
        one, other = outcomes(request)
        assert one != other
    requests = Requests(Random(seed))
    asked = [requests.one(before) for _ in range(100)]
    if found.equal:
        assert all(one == other for one, other in map(outcomes, asked))


@given(st.lists(expressions(), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_policy_is_equal_to_itself(matches: list[str]) -> None:
    found = difference(policy(matches, OUTCOMES), policy(matches, OUTCOMES))
    assert found.changes == ()
    assert found.equal


def test_too_much_is_not_called_equal() -> None:
    tiers = "".join(f"tier t{at} {{ match tag matches '.*{at}.*[a-f]{at}.*'; pass; }}\n" for at in range(400))
    found = difference(written(REGISTRIES + tiers), written(REGISTRIES + tiers))
    assert not found.equal
    assert found.undecided == ("the policies ask more than can be worked out in a few seconds",)
