"""Explanations: every tier that was tried, why it did not match, and the decision of the server's own code."""

import pytest

from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.rehearsal.explain import explain, render
from regproxy.rehearsal.reference import rehearse

UNSEEN = "not intercepted, and so not cached"
TEXT = """policy 1;
registry hub { hosts "registry-1.docker.io"; aliases "docker.io"; }
tier push { match method not in [GET, HEAD] or path like "/v1/**"; deny 405 "read only"; }
tier pinned { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier lab { match not (kind is manifest and repo like "library/*"); pass; }
tier latest { match tag is latest; fresh 5m; }
"""


def policy() -> Policy:
    loaded = load(Source("x.policy", TEXT), {})
    assert loaded.policy is not None
    return loaded.policy


def said(text: str, method: str = "GET") -> str:
    return render(explain(policy(), rehearse(policy(), text, method)))


def test_each_tier_says_on_which_test_it_failed() -> None:
    assert said("nginx") == (
        "request   GET https://registry-1.docker.io/v2/library/nginx/manifests/latest\n"
        "          kind=manifest  registry=hub  repo=library/nginx  tag=latest\n"
        "connect   intercept as registry-1.docker.io (registry hub)\n"
        '          push    x.policy:3  no: method not in GET HEAD, no: path like "/v1/**"\n'
        '          pinned  x.policy:4  no: digest like "*"\n'
        '          lab     x.policy:5  yes: kind is manifest, yes: repo like "library/*"\n'
        "       -> latest  x.policy:6  yes: tag is latest\n"
        "decision  tier latest: fresh 5m; revalidate head\n"
    )


def test_the_tiers_after_the_one_that_matches_are_not_tried() -> None:
    found = explain(policy(), rehearse(policy(), "team/app"))
    assert [(trial.tier, trial.matched) for trial in found.trials] == [
        ("push", False),
        ("pinned", False),
        ("lab", True),
    ]
    assert found.trials[-1].tests == (('repo like "library/*"', False),)


@pytest.mark.parametrize(
    ("text", "method", "last"),
    [
        ("nginx", "POST", "decision  tier push: deny 405 read only"),
        ("nginx:1.25", "GET", "decision  unmatched: no tier matches, so pass"),
        ("team/app", "GET", "decision  tier lab: pass"),
        ("https://registry-1.docker.io/v2/", "GET", "decision  pings and token requests never reach the tiers"),
        (
            "https://quay.io/v2/a/manifests/1",
            "GET",
            "decision  not intercepted, and so not cached: no registry block has quay.io among its `hosts`",
        ),
    ],
)
def test_the_last_line_is_the_decision(text: str, method: str, last: str) -> None:
    assert said(text, method).splitlines()[-1] == last


def test_a_refused_connect_is_shown_with_its_reason() -> None:
    assert "connect   refuse 403: regproxy refused quay.io:22: port 22" in said("https://quay.io:22/")
    assert "connect   tunnel (allowed by the tunnel rules)" in said("https://quay.io/")
