"""What people paste becomes the request that a client makes."""

import pytest

from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.rehearsal.reference import rehearse
from regproxy.settings.packaged import known_sources

DIGEST = "sha256:" + "a" * 64
HUB = "registry-1.docker.io:443"


def policy() -> Policy:
    text = (
        'policy 1; include known "registries"; registry lan { hosts "lan.example:5000" "localhost:5000"; }'
        ' registry plain { hosts "plain.lan"; scheme http; } registry off { hosts "off.lan"; intercept off; }'
    )
    loaded = load(Source("test", text), known_sources())
    assert loaded.policy is not None
    return loaded.policy


@pytest.mark.parametrize(
    ("text", "authority", "repository", "reference"),
    [
        ("nginx", HUB, "library/nginx", "latest"),
        ("nginx:1.25", HUB, "library/nginx", "1.25"),
        ("team/app", HUB, "team/app", "latest"),
        ("docker.io/library/nginx:1.25", HUB, "library/nginx", "1.25"),
        ("docker.io/nginx", HUB, "library/nginx", "latest"),
        ("index.docker.io/nginx", HUB, "library/nginx", "latest"),
        ("registry-1.docker.io/library/nginx", HUB, "library/nginx", "latest"),
        (f"quay.io/a/b/c@{DIGEST}", "quay.io:443", "a/b/c", DIGEST),
        (f"quay.io/a/b:1.2@{DIGEST}", "quay.io:443", "a/b", DIGEST),
        ("lan.example:5000/app:v1", "lan.example:5000", "app", "v1"),
        ("localhost:5000/app", "localhost:5000", "app", "latest"),
        ("plain.lan/app", "plain.lan:80", "app", "latest"),
        ("https://quay.io/v2/a/b/manifests/1.2?x=1", "quay.io:443", "a/b", "1.2"),
        ("http://plain.lan/v2/app/manifests/1", "plain.lan:80", "app", "1"),
        (f"https://quay.io/v2/a/b/blobs/{DIGEST}", "quay.io:443", "a/b", DIGEST),
    ],
)
def test_a_reference_or_a_url_is_read(text: str, authority: str, repository: str, reference: str) -> None:
    found = rehearse(policy(), text)
    assert str(found.authority) == authority
    assert found.request is not None
    assert (found.request.repository, found.request.tag or found.request.digest) == (repository, reference)
    assert found.request.authority == authority


def test_a_url_outside_v2_is_of_another_kind() -> None:
    found = rehearse(policy(), "https://quay.io/repository/x?tab=tags", "POST", "10.0.0.1")
    assert found.request is not None
    assert (found.request.kind, found.request.path) == ("other", "/repository/x")
    assert (found.request.method, found.request.client) == ("POST", "10.0.0.1")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("https://elsewhere.example/v2/a/manifests/1", "not intercepted"),
        ("https://off.lan/v2/a/manifests/1", "not intercepted"),
        ("https://auth.docker.io/token", "not intercepted"),
        ("https://quay.io/v2/", "never reach the tiers"),
        ("https://quay.io/v2/_regproxy/token?scope=x", "never reach the tiers"),
        ("https://quay.io/v2/a/../b/manifests/1", "answered 400 here"),
    ],
)
def test_where_no_tier_is_asked_it_says_why(text: str, note: str) -> None:
    found = rehearse(policy(), text)
    assert found.request is None
    assert note in found.note


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "Nginx",
        "quay.io/a:b c",
        "quay.io/",
        "nginx@sha256:12",
        "ftp://a/b",
        "https://user@quay.io/v2/",
        "https://",
    ],
)
def test_what_is_neither_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|is not|has no"):
        rehearse(policy(), text)
