"""Tests written in a policy are read to values."""

import math

import pytest

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.policy.load import load
from regproxy.policy.scenario import Aspect, Circumstances, Gone, Scenario, Stored, Working
from regproxy.policy.source import Source

HEAD = 'policy 1; registry quay { hosts "quay.io"; } tier a { match any; fresh 5m; } '


def read(text: str) -> tuple[Scenario, ...]:
    loaded = load(Source("x.policy", HEAD + text), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy.tests


def test_a_policy_has_as_many_tests_as_are_written_in_their_order() -> None:
    bare = 'request GET "quay.io/a/b"; expect tier a;'
    assert [test.name for test in read(f'test "one" {{ {bare} }} test "two" {{ {bare} }}')] == ["one", "two"]
    assert read("") == ()


def test_a_test_says_who_asks_for_what_where_and_how() -> None:
    (test,) = read('test "x" { request HEAD "quay.io/a/b:1" from "10.0.0.7"; expect pass; }')
    assert (test.authority, test.target) == (Authority("quay.io", 443), "/v2/a/b/manifests/1")
    assert (test.method, test.client) == ("HEAD", "10.0.0.7")
    assert test.given == Circumstances(None, Working.SAME, quota_exhausted=False)
    assert test.span.text == '"x"'


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("given stored nothing;", Circumstances()),
        ("given stored age 2d;", Circumstances(Stored(172800.0))),
        ("given stored gone 5s;", Circumstances(Gone(5.0))),
        ("given upstream slow;", Circumstances(upstream=Working.SLOW)),
        ("given upstream 429;", Circumstances(upstream=429)),
        ("given quota exhausted;", Circumstances(quota_exhausted=True)),
        *((f"given upstream {one};", Circumstances(upstream=one)) for one in (*FailureClass, *Working)),
    ],
)
def test_what_a_request_meets_is_given(text: str, given: Circumstances) -> None:
    (test,) = read(f'test "x" {{ request GET "quay.io/a/b"; {text} expect tier a; }}')
    assert test.given == given


def test_expectations_stand_in_the_order_written_and_know_their_place() -> None:
    expects = (
        "expect status 200; expect outcome stale; expect tier unmatched; expect fresh forever; expect deny 403; "
        "expect connect refuse; expect pass;"
    )
    (test,) = read(f'test "x" {{ request GET "quay.io/a/b"; {expects} }}')
    assert [(one.aspect, one.wanted) for one in test.expectations] == [
        (Aspect.STATUS, 200),
        (Aspect.OUTCOME, "stale"),
        (Aspect.TIER, "unmatched"),
        (Aspect.FRESH, math.inf),
        (Aspect.DENY, 403),
        (Aspect.CONNECT, "refuse"),
        (Aspect.PASS, None),
    ]
    assert [one.span.text for one in test.expectations][:2] == ["expect status 200;", "expect outcome stale;"]


def test_a_tier_that_was_lost_to_a_mistake_is_not_reported_again_in_a_test() -> None:
    text = 'tier lost { match tag is ; } test "x" { request GET "quay.io/a/b"; expect tier lost; }'
    codes = [found.code for found in load(Source("x.policy", HEAD + text), {}).diagnostics]
    assert codes == ["RP003"]
