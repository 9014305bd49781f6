"""`let`: a name stands for its values wherever a value may stand."""

import pytest

from regproxy.model.decision import Cached, PolicyRequest
from regproxy.policy.condition import predicates
from regproxy.policy.load import load
from regproxy.policy.source import Source


def decision(text: str, tag: str = "v1.2.3") -> Cached:
    loaded = load(Source("test", f"policy 1;\n{text}"), {})
    assert loaded.policy is not None, loaded.diagnostics
    found = loaded.policy.on_request(PolicyRequest("GET", "hub.example:443", "hub", "manifest", "/", "a/b", tag))
    assert isinstance(found, Cached)
    return found


@pytest.mark.parametrize(
    ("definitions", "tier"),
    [
        ("let day = 1d;", "match any; fresh $day;"),
        ("let a = 1d; let b = $a;", "match any; fresh $b;"),
        ("let semver = 'v\\d+[.]\\d+[.]\\d+'; let day = 1d;", "match tag matches $semver; fresh $day;"),
        ('let tags = [latest, "v1.2.3"];', "match tag in $tags; fresh 1d;"),
        ('let some = ["v1.*"]; let all = [latest, $some];', "match tag like $all; fresh 1d;"),
        ('let some = "v1.2.3";', "match tag in [latest, $some]; fresh 1d;"),
        ('let one = "v1.2.3";', "match tag is $one; fresh 1d;"),
        ("let day = 1d; let wanted = manifest;", "match kind is $wanted; fresh $day;"),
    ],
)
def test_a_name_stands_for_its_values(definitions: str, tier: str) -> None:
    assert decision(f"{definitions} tier t {{ {tier} }}").terms.fresh == 86400


def test_the_failures_of_an_outage_are_built_in_and_extend() -> None:
    text = "let more = [$outage, 404]; tier t { match any; fresh 1d; stale if-error 1h on $more; }"
    stale = decision(text).terms.stale_if_error
    assert stale is not None
    assert {404, 429, 500, 599} <= stale.on.statuses
    assert len(stale.on.classes) == 6


def test_what_a_test_was_written_as_shows_the_value_of_its_name() -> None:
    loaded = load(Source("t", "policy 1; let release = 'v\\d+'; tier t { match tag matches $release; pass; }"), {})
    assert loaded.policy is not None
    (test,) = predicates(loaded.policy.tiers[0].condition)
    assert test.written == "tag matches 'v\\d+'"


def test_a_name_with_thousands_of_values_is_refused() -> None:
    lets = "let a = [" + ", ".join(["x"] * 500) + "]; let b = [$a, $a, $a]; "
    loaded = load(Source("t", f"policy 1; {lets} tier t {{ match tag in $b; pass; }}"), {})
    assert [one.code for one in loaded.errors] == ["RP005"]
