"""What a policy says to a request."""

import math

import pytest

from regproxy.model.decision import Cached, Denied, FailureClass, Failures, Negative, Passed, PolicyRequest, Terms
from regproxy.model.entry import CacheLimits
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source

DIGEST = "sha256:" + "a" * 64
REGISTRIES = (
    'registry hub { hosts "hub.example"; } registry lan { hosts "lan.example:5000" "*.lan.example" "[fd00::1]"; }'
)


def policy(text: str) -> Policy:
    loaded = load(Source("test", f"policy 1; {REGISTRIES} {text}"), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


def request(**given: str) -> PolicyRequest:
    plain = {"method": "GET", "authority": "hub.example:443", "registry": "hub", "kind": "manifest"}
    plain |= {"path": "/v2/library/redis/manifests/7.2", "repository": "library/redis", "tag": "7.2"}
    return PolicyRequest(**{**plain, **given})


BY_DIGEST = {"tag": "", "digest": DIGEST}


@pytest.mark.parametrize(
    ("match", "given", "holds"),
    [
        ("any", {}, True),
        ("not any", {}, False),
        ("kind is manifest", {}, True),
        ("kind is not manifest", {}, False),
        ("kind in [blob, manifest]", {}, True),
        ("kind in blob tags", {}, False),
        ("kind not in [blob, tags]", {}, True),
        ("tag is '7.2'", {}, True),
        ('tag is "7.2"', BY_DIGEST, False),
        ('tag is not "7.2"', BY_DIGEST, True),
        ("tag like '7.*'", {}, True),
        ("tag like '7.?'", {}, True),
        ("tag like '?'", {}, False),
        ("tag like '[0-9].[!3]'", {}, True),
        ("tag like '{6,7}.*'", {}, True),
        ("tag like '*'", BY_DIGEST, False),
        ("tag not like '*'", BY_DIGEST, True),
        ("digest like '*'", BY_DIGEST, True),
        ("digest like '*'", {}, False),
        ("ref is '7.2'", {}, True),
        ("ref like 'sha256:*'", BY_DIGEST, True),
        ("ref like '*'", {"tag": "", "kind": "tags"}, False),
        ("tag matches '7'", {}, False),
        ("tag matches '7' '7[.]2'", {}, True),
        (r"tag matches '(?i)\d\.\d'", {}, True),
        (r"tag matches '\d\.\d'", {"tag": "\u0667.\u0662"}, False),
        ("tag finds '^7'", {}, True),
        ("tag finds '3'", {}, False),
        ("tag is '$a'", {"tag": "$a"}, True),
        ("repo is 'library/redis'", {}, True),
        ("repo like 'library/*'", {}, True),
        ("repo like 'library*'", {}, False),
        ("repo like '*'", {}, False),
        ("repo like '**'", {}, True),
        ("repo like 'lib**dis'", {}, True),
        ("host is 'hub.example'", {}, True),
        ("host is 'HUB.example.'", {}, True),
        ("host is 'hub.example:443'", {}, True),
        ("host is 'hub.example:5000'", {}, False),
        ("host is 'lan.example'", {"authority": "lan.example:5000"}, True),
        ("host is 'lan.example:5000'", {"authority": "lan.example:5000"}, True),
        ("host is 'hub.example'", {"authority": "hub.example"}, True),
        ("host like '*.example'", {}, True),
        ("host like '*'", {"authority": "localhost:443"}, None),
        ("host like '*.example'", {"authority": "a.b.example:443"}, False),
        ("host like '**.example'", {"authority": "a.b.example:443"}, True),
        ("host like '*.example'", {"authority": ".example:443"}, False),
        ("host like '*.example:443'", {}, True),
        ("host like '*.example:444'", {}, False),
        ("host matches '.*[.]example'", {}, True),
        ("host is 'fd00::1'", {"authority": "[fd00::1]:443"}, True),
        ("host is '[fd00::1]:443'", {"authority": "[fd00::1]:443"}, True),
        ("registry is hub", {}, True),
        ("registry in [lan]", {}, False),
        ("registry like 'h*'", {}, True),
        ("method in [GET, HEAD]", {}, True),
        ("method is not GET", {"method": "POST"}, True),
        ("path like '/v2/**'", {}, True),
        ("path like '/v2/*'", {}, False),
        ("client in ['10.0.0.0/8', '192.168.1.1']", {"client": "10.1.2.3"}, True),
        ("client is '10.0.0.0/8'", {"client": "::ffff:10.1.2.3"}, True),
        ("client is '10.0.0.0/8'", {"client": "11.1.2.3"}, False),
        ("client is '10.0.0.0/8'", {}, False),
        ("client is not '10.0.0.0/8'", {}, True),
        ("client is 'fd00::/8'", {"client": "fd00::5"}, True),
        ("kind is blob or kind is manifest and tag is '7.2'", {}, True),
        ("(kind is blob or kind is manifest) and tag is '7.3'", {}, False),
        ("kind is manifest or kind is blob and tag is '7.3'", {}, True),
        ("not (kind is manifest and tag is '7.2')", {}, False),
        ("not kind is blob and not tag is latest", {}, True),
    ],
)
def test_a_match_holds_for_what_it_says(match: str, given: dict[str, str], holds: bool | None) -> None:
    loaded = load(Source("test", f"policy 1; {REGISTRIES} tier t {{ match {match}; deny 403 'no'; }}"), {})
    if holds is None:
        assert [found.code for found in loaded.diagnostics] == ["RP208"]
        return
    assert loaded.policy is not None, loaded.diagnostics
    expected = Denied("t", 403, "no") if holds else Passed("unmatched")
    assert loaded.policy.on_request(request(**given)) == expected


def test_the_first_tier_that_matches_decides() -> None:
    found = policy("tier a { match kind is blob; pass; } tier b { match any; fresh 1h; } tier c { match any; pass; }")
    assert found.on_request(request(kind="blob")) == Passed("a")
    assert found.on_request(request()) == Cached("b", Terms(fresh=3600.0))


def test_a_tier_inherits_each_directive_that_it_does_not_say_itself() -> None:
    found = policy(
        "defaults { fresh 1m; stale if-error 7d on $outage; revalidate head within 2s; negative 404 410 for 90s; }"
        "tier own { match tag is own; fresh 5m; stale if-error forever on dns 404 5xx; revalidate full; }"
        "tier off { match tag is off; pass; }"
        "tier no { match tag is no; deny 451 'by law'; }"
        "tier all { match any; }"
    )
    outage = Failures(frozenset(FailureClass), frozenset({429, *range(500, 600)}))
    everything = found.on_request(request())
    assert isinstance(everything, Cached)
    terms = everything.terms
    assert (terms.fresh, terms.stale_while_revalidate) == (60.0, 0.0)
    assert terms.stale_if_error is not None
    assert (terms.stale_if_error.duration, terms.stale_if_error.on) == (7 * 86400.0, outage)
    assert (terms.revalidate.method, terms.revalidate.within) == ("head", 2.0)
    assert terms.negative == Negative(frozenset({404, 410}), 90.0)
    own = found.on_request(request(tag="own"))
    assert isinstance(own, Cached)
    assert own.terms.fresh == 300.0
    assert own.terms.stale_if_error is not None
    assert own.terms.stale_if_error.duration == math.inf
    assert own.terms.stale_if_error.on == Failures(frozenset({FailureClass.DNS}), frozenset({404, *range(500, 600)}))
    assert (own.terms.revalidate.method, own.terms.revalidate.within) == ("full", None)
    assert own.terms.negative == terms.negative
    assert found.on_request(request(tag="off")) == Passed("off")
    assert found.on_request(request(tag="no")) == Denied("no", 451, "by law")


def test_answers_are_remembered_by_what_the_tiers_look_at_only() -> None:
    found = policy("tier a { match kind is blob and host is 'hub.example'; pass; } tier b { match any; fresh 1h; }")
    answers = {
        found.on_request(request(kind=kind, tag=tag, authority=authority, path=tag)).tier
        for kind, authority, expected in (
            ("blob", "hub.example:443", "a"),
            ("blob", "lan.example:443", "b"),
            ("manifest", "hub.example:443", "b"),
        )
        for tag in ("1", "2", "3")
        if found.on_request(request(kind=kind, tag=tag, authority=authority, path=tag)).tier == expected
    }
    assert answers == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", CacheLimits()),
        ("cache { size 10GiB; }", CacheLimits(size=10 * 1024**3)),
        ("cache { size 1.5kB; inactive forever; min-free 2GiB; }", CacheLimits(1500, math.inf, 2 * 1024**3, 0.0)),
        ("cache { inactive 1w2d; min-free 2.5%; }", CacheLimits(inactive=9 * 86400.0, min_free_share=0.025)),
        (
            "cache { max-object 5GB; evict lru; durability full; }",
            CacheLimits(max_object=5e9, evict="lru", durability="full"),
        ),
        ("cache { evict s3fifo; durability none; }", CacheLimits(durability="none")),
    ],
)
def test_the_cache_block_sets_limits(text: str, limits: CacheLimits) -> None:
    assert policy(text).cache == limits


def test_the_checksum_follows_the_texts_and_nothing_else() -> None:
    one, again = policy("tier a { match any; pass; }"), policy("tier a { match any; pass; }")
    other = policy("tier a { match any; pass; } # changed")
    assert one.checksum == again.checksum != other.checksum


def test_a_policy_with_only_warnings_runs() -> None:
    loaded = load(Source("test", "policy 1; tier a { match tag finds 'x'; pass; }"), {})
    assert loaded.policy is not None
    assert [found.code for found in loaded.diagnostics] == ["RP205"]
