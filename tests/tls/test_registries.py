"""What a new CA permits."""

from regproxy.model.address import Authority, canonical_host
from regproxy.model.registry import HostPattern, Registry
from regproxy.policy.load import load
from regproxy.policy.source import Source
from regproxy.settings.packaged import known_sources
from regproxy.tls.constraints import Constraints, minimal
from regproxy.tls.registries import names_to_permit, public_registries


def test_the_public_list_is_canonical_and_holds_no_name_twice() -> None:
    listed = public_registries()
    assert [canonical_host(name) for name in listed] == list(listed)
    assert minimal(listed) == tuple(sorted(listed))


def test_the_public_list_is_no_wider_than_a_registry_needs() -> None:
    clouds = {
        "amazonaws.com", "amazonaws.com.cn", "aws", "google.com", "googleapis.com", "microsoft.com", "azure.com",
        "redhat.com", "gitlab.com", "github.com", "elastic.co", "jfrog.io", "oracle.com", "oraclecloud.com",
        "nvidia.com", "docker.com", "aliyuncs.com", "tencentyun.com", "k8s.io", "digitalocean.com", "fly.io",
        "suse.com", "opensuse.org", "scw.cloud", "fedoraproject.org", "ecr.aws",
    }  # fmt: skip
    listed = set(public_registries())
    assert not listed & clouds
    for name in listed:
        labels = name.split(".")
        assert len(labels) >= 2, name
        assert not (name.endswith(".amazonaws.com") and len(labels) != 5), f"{name} is wider than one region"


def test_the_names_of_a_policy_are_permitted_beside_the_public_ones() -> None:
    corporate = Registry(
        "corporate",
        hosts=(HostPattern("harbor.corp.example", 8443), HostPattern("teams.example", 443, wildcard=True)),
    )
    aliased = Registry("aliased", hosts=(HostPattern("one.example", 443),), aliases=(Authority("two.example", 443),))
    by_address = Registry("by-address", hosts=(HostPattern("10.0.0.5", 5000),))
    tunnelled = Registry("tunnelled", hosts=(HostPattern("private.example", 443),), intercept=False)
    names = names_to_permit([corporate, aliased, by_address, tunnelled], ["more.example"])
    assert set(names) - set(public_registries()) == {
        "harbor.corp.example", "teams.example", "one.example", "two.example", "more.example",
    }  # fmt: skip
    assert set(public_registries()) <= set(names)


def test_the_public_list_covers_every_registry_that_comes_known() -> None:
    """A CA made under another policy must do for `include known` as well."""
    text = 'policy 1; include known "registries"; tier rest { match any; pass; }'
    policy = load(Source("a.policy", text), known_sources()).policy
    assert policy is not None
    public = Constraints(permitted_names=public_registries())
    named = {pattern.host for registry in policy.registries for pattern in registry.hosts}
    assert len(named) > 10
    assert {name for name in named if not public.permits(name)} == set()
