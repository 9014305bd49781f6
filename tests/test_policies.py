"""The packaged policies: clean, and what they promise."""

import math
from pathlib import Path

import pytest

from regproxy.model.address import parse_authority
from regproxy.model.connect import Intercept, Tunnel
from regproxy.model.decision import Cached, Decision, FailureClass, Passed
from regproxy.policy.load import load
from regproxy.policy.parse import parse
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.policy.syntax import Block, Statement
from regproxy.rehearsal.reachability import prove
from regproxy.rehearsal.reference import rehearse
from regproxy.rehearsal.scenarios import failures, run
from regproxy.settings.packaged import known_sources, policies_directory

FILES = sorted(policies_directory().rglob("*.policy"))
WHOLE = [path for path in FILES if path.parent.name != "known"]
MAX_LINES, MAX_LINE = 90, 120
DIGEST = "sha256:" + "a" * 64
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def policy(name: str) -> Policy:
    path = policies_directory() / f"{name}.policy"
    loaded = load(Source(path.name, path.read_text()), known_sources())
    assert loaded.policy is not None
    return loaded.policy


def decide(text: str) -> Decision:
    default = policy("default")
    request = rehearse(default, text).request
    assert request is not None
    return default.on_request(request)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_packaged_policy_checks_without_a_finding(path: Path) -> None:
    assert prove(load(Source(path.name, path.read_text()), known_sources())).diagnostics == ()


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_packaged_policy_does_what_its_tests_say_and_they_reach_every_tier(path: Path) -> None:
    found = policy(path.stem)
    assert failures(found) == ()
    assert {tier.name for tier in found.tiers} <= {run(found, scenario).tier for scenario in found.tests}


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_packaged_policy_is_a_text_for_its_reader(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= MAX_LINE


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "known"], ids=lambda path: path.stem)
def test_what_can_be_included_holds_registries_only(path: Path) -> None:
    items = parse(Source(path.name, path.read_text())).items
    assert {item.name.text for item in items if isinstance(item, Block | Statement)} == {"policy", "registry"}
    assert all(isinstance(item, Block | Statement) for item in items)


@pytest.mark.parametrize(
    ("reference", "tier", "fresh"),
    [
        ("nginx", "hub-tags", 5 * MINUTE),
        ("nginx:1.27", "hub-tags", 5 * MINUTE),
        ("nginx:bookworm", "hub-tags", 5 * MINUTE),
        ("nginx:1.2.3", "release", HOUR),
        ("quay.io/a/b:v1.2.3-rc.1", "release", HOUR),
        ("quay.io/a/b:2024.01.05_1", "release", HOUR),
        ("quay.io/a/b:latest", "tags", 30.0),
        (f"quay.io/a/b@{DIGEST}", "by-digest", math.inf),
        (f"https://quay.io/v2/a/b/blobs/{DIGEST}", "by-digest", math.inf),
        (f"quay.io/a/b:{DIGEST.replace(':', '-')}.sig", "signature", MINUTE),
        ("https://quay.io/v2/a/b/tags/list", "lists", 30.0),
        (f"https://quay.io/v2/a/b/referrers/{DIGEST}", "lists", 30.0),
    ],
)
def test_the_default_lifetimes_are_short_and_survive_outages(reference: str, tier: str, fresh: float) -> None:
    decision = decide(reference)
    assert isinstance(decision, Cached)
    assert (decision.tier, decision.terms.fresh) == (tier, fresh)
    assert decision.terms.stale_while_revalidate == 0.0
    outage = decision.terms.stale_if_error
    assert outage is not None
    assert outage.duration == (HOUR if tier == "lists" else 7 * DAY)
    assert outage.on.classes == set(FailureClass)
    assert outage.on.statuses == {429, *range(500, 600)}
    assert (decision.terms.revalidate.method, decision.terms.revalidate.within) == ("head", 2.0)


@pytest.mark.parametrize("target", ["https://quay.io/login", "https://quay.io/v2/_catalog"])
def test_everything_else_is_passed(target: str) -> None:
    assert decide(target) == Passed("rest")


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        *(
            (host, Intercept)
            for host in "docker.io index.docker.io registry-1.docker.io ghcr.io quay.io gcr.io".split()
        ),
        *((host, Intercept) for host in "eu.gcr.io europe-docker.pkg.dev registry.k8s.io mcr.microsoft.com".split()),
        *((host, Intercept) for host in "public.ecr.aws lscr.io registry.gitlab.com nvcr.io mirror.gcr.io".split()),
        *((host, Intercept) for host in "docker.elastic.co registry.access.redhat.com cgr.dev".split()),
        *((host, Tunnel) for host in "auth.docker.io gitlab.com authn.nvidia.com docker-auth.elastic.co".split()),
        *((host, Tunnel) for host in "github.com production.cloudflare.docker.com".split()),
    ],
)
def test_the_usual_registries_are_intercepted_and_their_token_hosts_are_not(host: str, kind: type) -> None:
    assert isinstance(policy("default").on_connect(parse_authority(host, 443), "192.0.2.1"), kind)
