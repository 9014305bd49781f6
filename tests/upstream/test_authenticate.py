"""What a registry says about credentials, and where that may lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.registry import HostPattern, Registry
from regproxy.upstream.authenticate import parse_challenges, read_challenge, realm_of
from regproxy.upstream.failure import UpstreamFailed

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        (
            HUB,
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ("Negotiate", [("negotiate", {})]),
        ("Basic realm=plain", [("basic", {"realm": "plain"})]),
        ('BEARER Realm = "a" , , Service="b"', [("bearer", {"realm": "a", "service": "b"})]),
        ('Basic realm="a, b=\\"c\\""', [("basic", {"realm": 'a, b="c"'})]),
        (
            'Basic realm="a", Bearer realm="b", service="c"',
            [("basic", {"realm": "a"}), ("bearer", {"realm": "b", "service": "c"})],
        ),
        ('Negotiate, Bearer realm="b"', [("negotiate", {}), ("bearer", {"realm": "b"})]),
        ('NTLM TlRMTVNTUAAC==, Basic realm="a"', [("ntlm", {}), ("basic", {"realm": "a"})]),
        ('Bearer realm="a",realm="b"', [("bearer", {"realm": "a"})]),
        ('Bearer realm=""', [("bearer", {"realm": ""})]),
        ("", []),
    ],
)
def test_every_challenge_of_the_field_is_read(value: str, challenges: list[tuple[str, dict[str, str]]]) -> None:
    assert list(parse_challenges(value)) == challenges


@pytest.mark.parametrize(
    "value",
    ['Bearer realm="open', 'Bearer realm="a" service="b"', 'realm="a"', "Bearer (", "Bearer realm=a b", "x" * 9000],
)
def test_what_is_no_list_of_challenges_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="WWW-Authenticate"):
        parse_challenges(value)


@given(st.text(alphabet='abB=", \\\t;:/é', max_size=60))
def test_any_text_is_read_or_refused(value: str) -> None:
    try:
        parse_challenges(value)
    except ValueError as error:
        assert "WWW-Authenticate" in str(error)


@pytest.mark.parametrize(
    ("values", "challenge"),
    [
        ([HUB], Challenge("bearer", "https://auth.docker.io/token", "registry.docker.io")),
        (['Basic realm="b"', 'Bearer realm="https://a/t"'], Challenge("bearer", "https://a/t")),
        (['Bearer realm="https://1/", Bearer realm="https://2/"'], Challenge("bearer", "https://1/")),
        (['Basic realm="b"'], Challenge("basic", "b")),
        (["Basic"], Challenge("basic")),
        (["Bearer"], None),
        (["Negotiate"], None),
        (['Bearer realm="'], None),
        ([], None),
    ],
)
def test_bearer_is_preferred_and_the_unknown_is_none(values: list[str], challenge: Challenge | None) -> None:
    assert read_challenge(tuple(("WWW-Authenticate", value) for value in values)) == challenge


HARBOR = Authority("harbor.test", 443)
BLOCK = Registry(
    "test",
    (HostPattern("harbor.test", 443),),
    token_hosts=(HostPattern("auth.test", 443), HostPattern("auth.test", 8443), HostPattern("10.0.0.9", 443)),
)
PLAIN = Registry("plain", (HostPattern("plain.test", 5000),), scheme="http")


@pytest.mark.parametrize(
    ("block", "authority", "realm", "where"),
    [
        (BLOCK, HARBOR, "https://harbor.test/service/token", ("https", HARBOR, "/service/token")),
        (BLOCK, HARBOR, "https://HARBOR.test.:443", ("https", HARBOR, "/")),
        (BLOCK, HARBOR, "https://auth.test/t?a=1", ("https", Authority("auth.test", 443), "/t?a=1")),
        (BLOCK, HARBOR, "https://auth.test:8443/t", ("https", Authority("auth.test", 8443), "/t")),
        (BLOCK, HARBOR, "https://10.0.0.9/t", ("https", Authority("10.0.0.9", 443), "/t")),
        (
            PLAIN,
            Authority("plain.test", 5000),
            "http://plain.test:5000/t",
            ("http", Authority("plain.test", 5000), "/t"),
        ),
    ],
)
def test_a_realm_on_the_registry_or_a_token_host_may_be_asked(
    block: Registry, authority: Authority, realm: str, where: tuple[str, Authority, str]
) -> None:
    assert realm_of(block, authority, realm) == where


@pytest.mark.parametrize(
    ("realm", "sentence"),
    [
        ("https://evil.test/token", "is on evil.test, which the policy does not list in token-hosts"),
        ("https://harbor.test.evil.test/token", "token-hosts"),
        ("https://sub.harbor.test/token", "token-hosts"),
        ("https://harbor.test:8080/token", "token-hosts"),
        ("https://169.254.169.254/token", "token-hosts"),
        ("https://[::1]/token", "token-hosts"),
        ("http://harbor.test/token", "not https"),
        ("http://auth.test/token", "not https"),
        ("ftp://harbor.test/token", "not https"),
        ("https://harbor.test@evil.test/token", "user name"),
        ("https://user:canary@harbor.test/token", "user name"),
        ("https://harbor.test/token#x", "fragment"),
        ("https://harbor.test/to ken", "forbidden characters"),
        ("https://harbor.test/\r\nX: y", "forbidden characters"),
        ("https://harbor.test\\@evil.test/", "forbidden characters"),
        ("https://2130706433/", "no URL"),
        ("https://harbor.test:99999/", "no URL"),
        ("//harbor.test/token", "not https"),
        ("/token", "no URL"),
        ("https://[/", "no URL"),
        ("https://harbor.test/" + "x" * 2048, "forbidden"),
    ],
)
def test_any_other_realm_is_refused_and_named(realm: str, sentence: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        realm_of(BLOCK, HARBOR, realm)
    assert caught.value.failure is FailureClass.CREDENTIAL
    assert caught.value.detail.startswith("harbor.test: ")
    assert sentence in caught.value.detail
    assert "canary" not in caught.value.detail
