"""Tests of a policy are run by the server's own code: what passes, and what is said of what fails."""

import pytest

from regproxy.policy.diagnostic import render
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.rehearsal.scenarios import failures, run

TIERS = """policy 1;
registry hub { hosts "registry-1.docker.io"; aliases "docker.io"; }
registry quay { hosts "quay.io"; }
tunnel { deny "**.bad.example"; }
defaults { stale if-error 7d on $outage; revalidate head within 2s; }
tier banned { match repo like "bitnami/**"; deny 451 "see go/images"; }
tier ci { match client in ["10.0.0.0/8"] and tag is latest; pass; }
tier pinned { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier release { match tag matches 'v?\\d+\\.\\d+\\.\\d+'; fresh 1h; negative 404 for 10s; }
tier swr { match tag is main; fresh 1m; stale while-revalidate 1h; }
tier tags { match kind is manifest; fresh 5m; }
tier lists { match kind is tags; fresh 30s; } tier web { match kind is other and path like "/api/**"; fresh origin; }
"""
UNSEEN = "not intercepted, and so not cached: no registry block has packages.example among its `hosts`"
RELEASE = 'request GET "redis:7.2.4";'


def policy(*tests: str) -> Policy:
    text = TIERS + "".join(f'test "{number}" {{ {test} }}\n' for number, test in enumerate(tests))
    loaded = load(Source("x.policy", text), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


def said(test: str) -> list[str]:
    tried = policy(test)
    return [failure.sentence for failure in run(tried, tried.tests[0]).failures]


@pytest.mark.parametrize(
    "test",
    [
        f"{RELEASE} expect tier release; expect fresh 60m; expect outcome miss; expect status 200;",
        f"{RELEASE} given stored age 10m; given upstream dns; expect outcome hit;",
        'request GET "https://quay.io/api/v1/x"; expect tier web; expect fresh origin;',
        'request POST "https://quay.io/api/v1/x"; expect tier web; expect outcome pass;',
        f"{RELEASE} given stored age 2d; expect outcome revalidated;",
        f"{RELEASE} given stored age 2d; given upstream moved; expect outcome expired;",
        f"{RELEASE} given stored age 2d; given upstream 429; expect outcome stale; expect status 200;",
        f"{RELEASE} given stored age 2d; given upstream slow; expect outcome stale;",
        f"{RELEASE} given upstream slow; expect outcome miss; expect status 200;",
        f"{RELEASE} given stored age 8d; given upstream 429; expect outcome miss; expect status 429;",
        f"{RELEASE} given stored age 8d; given upstream timeout; expect outcome error; expect status 504;",
        f"{RELEASE} given upstream dns; expect outcome error; expect status 502;",
        f"{RELEASE} given stored gone 5s; expect outcome negative; expect status 404;",
        f"{RELEASE} given stored gone 11s; expect outcome revalidated;",
        f"{RELEASE} given quota exhausted; expect outcome miss; expect status 429;",
        f"{RELEASE} given stored age 2d; given quota exhausted; expect outcome revalidated;",
        f"{RELEASE} given stored age 2d; given upstream moved; given quota exhausted; expect outcome stale;",
        'request HEAD "redis:7.2.4"; given quota exhausted; expect outcome miss; expect status 200;',
        'request GET "quay.io/a/b:main"; given stored age 2m; expect tier swr; expect outcome swr;',
        'request GET "bitnami/redis"; given upstream dns; expect deny 451; expect outcome denied; expect status 451;',
        'request GET "nginx" from "10.9.9.9"; expect tier ci; expect pass; expect outcome pass;',
        'request GET "nginx" from "11.9.9.9"; expect tier tags;',
        'request GET "nginx" from "10.9.9.9"; given upstream 429; expect outcome pass; expect status 429;',
        'request GET "https://quay.io/login"; expect tier unmatched; expect pass; expect outcome pass;',
        'request DELETE "quay.io/a/b:1"; expect outcome local; expect status 405;',
        'request GET "https://quay.io/v2/a/../b/manifests/1"; expect outcome local; expect status 400;',
        'request GET "https://quay.io/v2/"; expect outcome local; expect status 401;',
        'request GET "https://quay.io/v2/_regproxy/token?scope=x"; expect outcome local; expect status 200;',
        'request GET "https://docker.io/v2/a/b/manifests/1"; expect connect intercept; expect tier tags;',
        'request GET "https://packages.example/simple"; expect connect tunnel;',
        'request GET "https://x.bad.example/"; expect connect refuse; expect status 403;',
    ],
)
def test_what_the_server_does_is_what_may_be_expected(test: str) -> None:
    assert said(test) == []


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        (f"{RELEASE} expect tier tags;", "expected tier tags, got release"),
        (f"{RELEASE} given upstream 503; expect outcome stale;", "expected outcome stale, got miss"),
        (f"{RELEASE} expect status 404;", "expected status 404, got 200"),
        (f"{RELEASE} expect fresh forever;", "expected fresh forever, got 1h"),
        (f"{RELEASE} expect pass;", "expected pass, got fresh 1h"),
        (f"{RELEASE} expect deny 403;", "expected deny 403, got fresh 1h"),
        (f"{RELEASE} expect connect tunnel;", "expected connect tunnel, got intercept"),
        ('request GET "bitnami/redis"; expect deny 403;', "expected deny 403, got 451"),
        ('request GET "bitnami/redis"; expect pass;', "expected pass, got deny 451"),
        ('request GET "bitnami/redis"; expect fresh 1h;', "expected fresh 1h, got deny 451"),
        ('request GET "https://quay.io/login"; expect deny 403;', "expected deny 403, got pass"),
        (
            'request GET "https://quay.io/api/v1/x"; given stored age 1h; expect outcome hit;',
            "expected outcome hit, got what the origin decides",
        ),
        ('request GET "https://quay.io/api/v1/x"; expect fresh 1h;', "expected fresh 1h, got origin"),
        ('request GET "https://quay.io/api/v1/x"; expect pass;', "expected pass, got fresh origin"),
        (
            'request GET "https://packages.example/"; expect status 200;',
            f"expected status 200, got none: {UNSEEN}",
        ),
        (
            'request GET "https://packages.example/"; expect tier tags;',
            f"expected tier tags, got none: {UNSEEN}",
        ),
    ],
)
def test_what_fails_says_what_was_wanted_and_what_came(test: str, sentence: str) -> None:
    assert said(test) == [sentence]


def test_each_failed_expectation_is_a_finding_with_its_place() -> None:
    found = failures(policy(f"{RELEASE} expect tier release;", f"{RELEASE}\n expect tier tags; expect status 404;"))
    assert [(one.code, one.is_error, one.span.line) for one in found] == [("RP701", True, 15), ("RP701", True, 15)]
    assert render(found[0]) == (
        "error[RP701]: the test `1` fails: expected tier tags, got release\n"
        "  --> x.policy:15:2\n"
        "   |\n"
        "15 |  expect tier tags; expect status 404; }\n"
        "   |  ^^^^^^^^^^^^^^^^^\n"
        "   = help: mend the policy or the test; `regproxy policy explain` shows why\n"
    )
    assert failures(policy(f"{RELEASE} expect tier release;")) == ()


def test_a_test_knows_the_tier_that_it_reaches() -> None:
    tried = policy(f"{RELEASE} expect pass;", 'request GET "https://packages.example/"; expect connect tunnel;')
    results = [run(tried, scenario) for scenario in tried.tests]
    assert [result.passed for result in results] == [False, True]
    assert [result.tier for result in results] == ["release", ""]
