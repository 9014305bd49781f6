"""What is proved about tiers, held against requests by chance, and where the proofs end."""

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.policy.diagnostic import Severity
from regproxy.policy.load import load
from regproxy.policy.source import Source
from regproxy.rehearsal.reachability import findings, prove
from regproxy.rehearsal.reference import rehearse
from tests.rehearsal.generated import KINDS, REGISTRIES, Requests, expressions, policy

NEVER = {"RP401", "RP402"}
REQUESTS = 100_000
TIERS = 1000
MAX_SECONDS = 10.0


@given(st.lists(expressions(), min_size=2, max_size=6), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_a_tier_that_is_called_unreachable_is_reached_by_no_request(matches: list[str], seed: int) -> None:
    asked = policy(matches)
    never = {found.span.text for found in findings(asked, notes=False) if found.code in NEVER}
    requests = Requests(Random(seed))
    reached = {asked.on_request(requests.one(asked)).tier for _ in range(200)}
    assert reached & never == set()


def test_no_request_of_a_great_many_reaches_a_tier_that_is_called_unreachable(soak: float, seed: int) -> None:
    asked = policy(
        [
            "kind is manifest and tag matches 'v?[0-9]+([.][0-9]+)*'",
            "kind is manifest and tag like 'v1*' and tag matches 'v[0-9.]*[0-9]' and not tag like '*..*'",
            "kind in [blob, referrers] and (digest like 'sha256:*' or digest like 'sha512:*')",
            "digest matches 'sha256:[a-f0-9]{64}' and not kind is manifest",
            "client in ['10.0.0.0/8'] and not method is GET",
            "method is HEAD and client in ['10.0.0.0/30']",
            "host like 'a*.lan.example' or not registry is lan",
            "host is 'hub.example' and repo like '**'",
            "path like '/v2/**'",
            "repo like '*' or kind is catalog",
        ]
    )
    found = findings(asked, notes=False)
    never = {one.span.text for one in found if one.code in NEVER}
    assert never == {"t1", "t3", "t5", "t7", "t9"}
    requests = Requests(Random(seed))
    reached = {asked.on_request(requests.one(asked)).tier for _ in range(int(REQUESTS * soak))}
    assert reached == {"t0", "t2", "t4", "t6", "t8", "unmatched"}
    witness = next(one.note for one in found if one.code == "RP404").removeprefix("for example ")
    method, url, *_ = witness.split()
    request = rehearse(asked, url, method, "192.0.2.1").request
    assert request is not None
    assert asked.on_request(request).tier == "unmatched"


@pytest.mark.parametrize(
    ("matches", "never"),
    [
        # What is not read exactly is true or false as it likes, but the same wherever it is asked.
        ([r"path matches '\pL+'", r"path matches '\pL+' and kind is other"], {"t1"}),
        ([r"path matches '\pL+'", r"path matches '\pN+'"], set()),
        ([r"path matches '\pL+'", r"not path matches '\pL+'", "any"], {"t2"}),
        ([r"path matches '\pL+' '/.*'", "any"], {"t1"}),
        ([r"not path matches '\pL+'", r"path matches '\pL+'"], set()),
        # One tier is left nothing by several together.
        (["kind is blob", "kind is manifest", "kind in [blob, manifest]"], {"t2"}),
        (["tag like '*a*'", "tag like '*b*'", "tag matches '[ab].*'", "tag is c"], {"t2"}),
        # Limits of length count: a tag has at most 128 characters.
        (["tag matches '.{129}'", "any"], {"t0"}),
        (["tag matches '.{128}'", "any"], set()),
        # A wildcard is one label, and an exact host is none of its names.
        (["host is 'own.lan.example'", "host like 'own*.lan.example' and host matches '...[.]lan[.]example'"], {"t1"}),
        (["host like 'a.b.lan.example'"], {"t0"}),
        (["host is 'own.lan.example:443'"], {"t0"}),
    ],
)
def test_which_tiers_are_never_reached(matches: list[str], never: set[str]) -> None:
    assert {one.span.text for one in findings(policy(matches)) if one.code in NEVER} == never


def test_of_many_tiers_that_shadow_another_a_few_are_named() -> None:
    kinds = [f"kind is {kind}" for kind in KINDS]
    found = next(one for one in findings(policy([*kinds, "any"])) if one.code == "RP402")
    assert found.note == "shadowed by tiers `t0`, `t1`, `t2`, `t3`, `t4` and 2 more together"


@pytest.mark.parametrize(
    "match",
    [
        'repo like "team-{at}/**"',
        'kind is manifest and tag is "v{at}"',
        'repo like "team-{at}/**" and tag like "v{at}*"',
        'repo like "**{at}**"',
        'tag matches ".*{at}.*[a-f]{at}.*"',
        'client is "10.1.{low}.0/24" and not (tag like "*{at}*")',
    ],
)
def test_a_thousand_tiers_are_proved_or_given_up_in_time(match: str) -> None:
    tiers = "\n".join(
        f"tier t{at} {{ match {match.format(at=at, low=at % 256)}; fresh {at + 1}s; }}" for at in range(TIERS)
    )
    loaded = load(Source("large", f"policy 1;\n{REGISTRIES}{tiers}\ntier rest {{ match any; pass; }}\n"), {})
    assert loaded.policy is not None
    start = time.process_time()
    found = findings(loaded.policy)
    assert time.process_time() - start < MAX_SECONDS
    assert {one.code for one in found} <= {"RP403", "RP405"}


def test_without_notes_there_are_none_and_what_is_wrong_stays() -> None:
    tiers = "tier a { match tag matches '(a)'; pass; }\ntier b { match tag is a; fresh 1h; }\n"
    text = f"policy 1;\n{REGISTRIES}{tiers}"
    loaded = load(Source("small", text), {})
    assert Severity.NOTE in {one.severity for one in prove(loaded, notes=True).diagnostics}
    proved = prove(loaded)
    users = ["RP105"] * 3  # the groups of the registries above name some, and there is no file with any
    assert [one.code for one in proved.diagnostics] == [*users, "RP402", "RP404"]
    assert proved.policy is None


def test_a_policy_that_intercepts_nothing_is_not_judged() -> None:
    loaded = load(Source("none", "policy 1; tier a { match tag is 'x/y'; pass; }"), {})
    assert prove(loaded).policy is loaded.policy is not None
    broken = load(Source("broken", "policy 1; tier"), {})
    assert prove(broken) is broken
