"""The seed's variables mean what they meant: the text they become, and the tiers it decides by."""

import itertools
import re
from collections.abc import Mapping

import pytest

from regproxy.model.address import parse_authority
from regproxy.model.connect import Intercept, Refuse, Tunnel
from regproxy.model.decision import Cached, FailureClass, PolicyRequest
from regproxy.model.egress import Timeouts
from regproxy.model.oci import Kind, Resource, classify
from regproxy.policy.diagnostic import Severity
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source
from regproxy.settings.packaged import packaged_source
from regproxy.settings.seed import seed_policy
from regproxy.settings.seed_logins import PLACEHOLDER
from regproxy.settings.seed_registries import DEFAULT_REGISTRIES
from regproxy.settings.seed_upstream import verifies

ON = {"ENABLE_MANIFEST_CACHE": "true"}
DIGESTS = ("sha256:" + "a1" * 32, "sha512:" + "01" * 64)
REFERENCES = ("latest", "stable-1.2.3", "testing", "1.2", "1.2.3-rc.1", "v1", *DIGESTS)


def policy(environ: Mapping[str, str]) -> Policy:
    seed = seed_policy(environ)
    assert seed is not None
    loaded = load(Source("environment", seed.text), {})
    assert loaded.policy is not None, loaded.diagnostics
    findings = {found.code for found in loaded.diagnostics if found.severity is not Severity.NOTE}
    assert findings == (set() if verifies(environ) else {"RP307"})
    return loaded.policy


def tier(found: Policy, target: str) -> str:
    resource = classify(target)
    assert isinstance(resource, Resource)
    digest = str(resource.digest) if resource.digest else ""
    return found.on_request(
        PolicyRequest(
            "GET", "quay.io:443", "quay.io", str(resource.kind), target, resource.repository, resource.tag or "", digest
        )
    ).tier


def targets() -> list[str]:
    repository = "/v2/library/nginx"
    manifests = [f"{repository}/manifests/{reference}" for reference in REFERENCES]
    blobs = [f"{repository}/blobs/{digest}" for digest in DIGESTS]
    return [*manifests, *blobs, f"{repository}/tags/list", f"{repository}/referrers/{DIGESTS[0]}", "/v2/_catalog"]


def test_the_packaged_seed_policy_is_what_the_seed_does_when_switched_on() -> None:
    source = packaged_source("seed")
    loaded = load(source, {})
    assert loaded.policy is not None
    assert loaded.diagnostics == ()
    generated = policy(ON)
    assert loaded.policy.registries == generated.registries
    assert loaded.policy.cache == generated.cache
    assert loaded.policy.connecting.tunnel == generated.connecting.tunnel
    assert [one.decision for one in loaded.policy.tiers] == [one.decision for one in generated.tiers]
    assert [tier(loaded.policy, target) for target in targets()] == [tier(generated, target) for target in targets()]


def test_lifetimes_and_outages_are_the_seeds() -> None:
    decisions = {one.name: one.decision for one in policy(ON).tiers}
    lifetimes = {name: one.terms.fresh for name, one in decisions.items() if isinstance(one, Cached)}
    assert lifetimes == {
        "blob-by-digest": 60 * 86400.0,
        "manifest-by-digest": 60 * 86400.0,
        "manifest-primary": 600.0,
        "manifest-secondary": 60 * 86400.0,
        "manifest-default": 3600.0,
        "blob-mutable": 0.0,
    }
    primary = decisions["manifest-primary"]
    assert isinstance(primary, Cached)
    assert primary.terms.stale_if_error is not None
    assert primary.terms.stale_if_error.on.statuses == {429, 500, 502, 504}
    assert primary.terms.stale_if_error.on.classes == set(FailureClass)


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"REGISTRIES": "quay.io"}, ["manifest-default-disabled"]),
        ({"ENABLE_MANIFEST_CACHE": "True"}, ["manifest-default-disabled"]),
        (ON, ["manifest-primary", "manifest-secondary", "manifest-default"]),
        ({**ON, "MANIFEST_CACHE_PRIMARY_REGEX": ""}, ["manifest-secondary", "manifest-default"]),
        (
            {**ON, "MANIFEST_CACHE_PRIMARY_REGEX": "", "MANIFEST_CACHE_SECONDARY_REGEX": ""},
            ["manifest-default"],
        ),
    ],
)
def test_the_manifest_tiers_are_those_that_the_variables_leave(environ: Mapping[str, str], names: list[str]) -> None:
    found = policy(environ)
    assert [one.name for one in found.tiers] == [
        "blob-by-digest",
        "manifest-by-digest",
        *names,
        "blob-mutable",
        "unknown",
    ]


def test_times_and_limits_are_taken_over() -> None:
    found = policy(
        {
            **ON,
            "MANIFEST_CACHE_PRIMARY_TIME": "5m",
            "MANIFEST_CACHE_SECONDARY_TIME": "1M",
            "MANIFEST_CACHE_DEFAULT_TIME": "90",
            "CACHE_MAX_SIZE": "5g",
            "CACHE_INACTIVE": "1w",
        }
    )
    lifetimes = [one.decision.terms.fresh for one in found.tiers if isinstance(one.decision, Cached)]
    assert lifetimes[2:5] == [300.0, 30 * 86400.0, 90.0]
    assert (found.cache.size, found.cache.inactive) == (5 * 1024**3, 7 * 86400.0)


def test_registries_become_one_block_each_and_docker_hub_is_always_there() -> None:
    found = policy(
        {"REGISTRIES": "quay.io  quay.io QUAY.io docker.io auth.docker.io\n harbor.lan:5000 9.example *.gcr.io"}
    )
    assert [(block.name, [str(host) for host in block.hosts]) for block in found.registries] == [
        ("docker-hub", ["registry-1.docker.io"]),
        ("quay.io", ["quay.io"]),
        ("harbor.lan-5000", ["harbor.lan:5000"]),
        ("host.9.example", ["9.example"]),
        ("all.gcr.io", ["*.gcr.io"]),
    ]


def test_names_of_blocks_never_clash() -> None:
    found = policy({"REGISTRIES": "a.b:1 a.b-1 all.c *.c [::1]:5000 xn--e1afmkfd.example docker-hub"})
    assert len({block.name for block in found.registries}) == 8


def test_without_the_variable_the_seeds_registries_count() -> None:
    found = policy(ON)
    assert [block.name for block in found.registries] == ["docker-hub", *DEFAULT_REGISTRIES.split()]


def test_everything_else_is_tunnelled_also_to_private_addresses_but_never_inside() -> None:
    found = policy(ON)
    wanted = {
        "quay.io:443": Intercept,
        "git.lan:22": Tunnel,
        "10.0.0.1:8080": Tunnel,
        "[fd00::1]:443": Tunnel,
        "127.0.0.1:80": Refuse,
        "169.254.169.254:80": Refuse,
    }
    assert {name: type(found.on_connect(parse_authority(name), "")) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("environ", "starts"),
    [
        ({}, False),
        ({"REGISTRIES": " "}, False),
        ({"AUTH_REGISTRIES": PLACEHOLDER}, False),
        ({"CACHE_MAX_SIZE": "1g", "CACHE_INACTIVE": "1d"}, False),
        ({"VERIFY_SSL": "true", "ALLOW_PUSH": "false"}, False),
        ({"ENABLE_MANIFEST_CACHE": "false"}, True),
        ({"REGISTRIES": "quay.io"}, True),
        ({"AUTH_REGISTRIES": "quay.io:u:p"}, True),
        ({"MANIFEST_CACHE_DEFAULT_TIME": "1h"}, True),
    ],
)
def test_seed_mode_starts_with_the_variables_that_mean_a_policy(environ: Mapping[str, str], starts: bool) -> None:
    assert (seed_policy(environ) is not None) is starts


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"AUTH_REGISTRIES": "a:b"}, "AUTH_REGISTRIES: entry 1 is no"),
        ({"REGISTRIES": "http://a"}, "REGISTRIES: "),
        ({"REGISTRIES": "a b_c!"}, "REGISTRIES: 'b_c!' is not a host name"),
        ({**ON, "CACHE_MAX_SIZE": "32GiB"}, "CACHE_MAX_SIZE: "),
        ({**ON, "CACHE_MAX_SIZE": "0"}, "CACHE_MAX_SIZE: the size must be above zero"),
        ({**ON, "CACHE_INACTIVE": "forever"}, "CACHE_INACTIVE: "),
        ({**ON, "MANIFEST_CACHE_DEFAULT_TIME": "1 hour"}, "MANIFEST_CACHE_DEFAULT_TIME: "),
        ({**ON, "AUTH_REGISTRIES": "ghcr.io:x:y", "VERIFY_SSL": "false"}, "VERIFY_SSL is off, and AUTH_REGISTRIES"),
        ({**ON, "PROXY_READ_TIMEOUT": "1 hour"}, "PROXY_READ_TIMEOUT: "),
        ({**ON, "MANIFEST_CACHE_PRIMARY_TIME": "x"}, "MANIFEST_CACHE_PRIMARY_TIME: "),
        ({**ON, "MANIFEST_CACHE_SECONDARY_REGEX": "("}, "MANIFEST_CACHE_SECONDARY_REGEX: missing )"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(environ: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        seed_policy(environ)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"REGISTRIES": "a.b"}, []),
        ({"ENABLE_MANIFEST_CACHE": "1"}, ["ENABLE_MANIFEST_CACHE"]),
        ({"REGISTRIES": "a.b", "ALLOW_PUSH": "yes"}, ["ALLOW_PUSH"]),
        ({"MANIFEST_CACHE_DEFAULT_TIME": "1h"}, ["MANIFEST_CACHE_DEFAULT_TIME"]),
        ({**ON, "VERIFY_SSL": "false", "DEBUG": "true"}, ["VERIFY_SSL", "DEBUG"]),
        ({**ON, "VERIFY_SSL": "true", "DEBUG": "false", "DISABLE_IPV6": "false"}, []),
        ({**ON, "VERIFY_SSL": "True"}, []),
        ({**ON, "VERIFY_SSL": "maybe"}, ["VERIFY_SSL"]),
        ({**ON, "PROXY_READ_TIMEOUT": "900s", "PROXY_CONNECT_TIMEOUT": "60"}, []),
        (
            {**ON, "PROXY_READ_TIMEOUT": "1d", "PROXY_CONNECT_TIMEOUT": "0"},
            ["PROXY_CONNECT_TIMEOUT", "PROXY_READ_TIMEOUT"],
        ),
        ({**ON, "MANIFEST_CACHE_PRIMARY_REGEX": "a|b"}, ["MANIFEST_CACHE_PRIMARY_REGEX"]),
        ({**ON, "MANIFEST_CACHE_SECONDARY_REGEX": "^a$"}, ["MANIFEST_CACHE_SECONDARY_REGEX"]),
    ],
)
def test_what_has_no_effect_is_said(environ: Mapping[str, str], words: list[str]) -> None:
    seed = seed_policy(environ)
    assert seed is not None
    assert [warning.split()[0] for warning in seed.warnings] == words


def test_time_outs_and_trust_are_those_of_every_registry() -> None:
    found = policy({**ON, "REGISTRIES": "quay.io", "VERIFY_SSL": "false", "PROXY_READ_TIMEOUT": "15m"}).registries
    assert [(one.tls.verify, one.timeouts) for one in found] == [(False, Timeouts(None, 900, 900))] * 2
    assert [one.tls.verify for one in policy(ON).registries] == [True] * 5


def test_every_kind_has_a_tier() -> None:
    found = policy(ON)
    requests = itertools.product(Kind, ("GET", "HEAD", "POST"))
    tiers = {
        found.on_request(PolicyRequest(method, "quay.io:443", "quay.io", str(kind), "/")).tier
        for kind, method in requests
    }
    assert "unmatched" not in tiers
