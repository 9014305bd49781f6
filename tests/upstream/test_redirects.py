"""Where a redirect leads, and what travels there."""

import pytest

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.message import Head
from regproxy.model.registry import HostPattern, Registry
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.redirects import follow
from regproxy.upstream.request import UpstreamRequest

HERE = Authority("registry.test", 443)
BLOCK = Registry("test", (HostPattern("registry.test", 443),))
PLAIN = Registry("plain", (HostPattern("registry.test", 443),), scheme="http")
FIELDS = (
    ("Authorization", "Bearer canary"),
    ("Cookie", "canary"),
    ("X-Registry-Auth", "canary"),
    ("Accept", "a/b"),
    ("RANGE", "bytes=1-"),
    ("If-Range", '"x"'),
    ("User-Agent", "u"),
)


def redirected(
    location: str | None, status: int = 307, method: str = "GET", block: Registry = BLOCK
) -> UpstreamRequest | None:
    request = UpstreamRequest(HERE, block.scheme, block, method, "/v2/a/blobs/x?q=1", FIELDS, "blob")
    return follow(request, Head(status, (("Location", location),) if location is not None else ()))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://cdn.test/x/y?sig=a%2Fb&z=1", "https://cdn.test:443/x/y?sig=a%2Fb&z=1"),
        ("https://cdn.test:8443", "https://cdn.test:8443/"),
        ("https://CDN.test./a", "https://cdn.test:443/a"),
        ("/other", "https://registry.test:443/other"),
        ("y", "https://registry.test:443/v2/a/blobs/y"),
        ("../y?z", "https://registry.test:443/v2/a/y?z"),
        ("?z=2", "https://registry.test:443/v2/a/blobs/x?z=2"),
        ("https://cdn.test/a#fragment", "https://cdn.test:443/a"),
        ("HTTPS://cdn.test/a", "https://cdn.test:443/a"),
        ("https://10.0.0.1/a", "https://10.0.0.1:443/a"),
    ],
)
def test_absolute_and_relative_targets_are_followed_without_credentials(location: str, url: str) -> None:
    request = redirected(location)
    assert request is not None
    assert request.url == url
    assert request.fields == FIELDS[3:]
    assert (request.method, request.purpose, request.registry, request.body) == ("GET", "blob", BLOCK, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_redirect_keeps_the_method(status: int, method: str) -> None:
    request = redirected("https://cdn.test/a", status, method)
    assert request is not None
    assert request.method == method


@pytest.mark.parametrize(
    ("status", "method"), [(200, "GET"), (300, "GET"), (304, "GET"), (305, "GET"), (307, "POST"), (302, "DELETE")]
)
def test_nothing_else_is_followed(status: int, method: str) -> None:
    assert redirected("https://cdn.test/a", status, method) is None


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        (None, "without saying where"),
        ("", "without saying where"),
        ("http://cdn.test/a", "redirects to http, and only https is followed"),
        ("ftp://cdn.test/a", "redirects to ftp"),
        ("file:///etc/passwd", "redirects to file"),
        ("javascript:alert(1)", "redirects to javascript"),
        ("//cdn.test/a", "without a scheme"),
        ("https://user:canary@cdn.test/a", "user name"),
        ("https://cdn.test\\@evil.test/", "forbidden characters"),
        ("https://cdn.test/a b", "forbidden characters"),
        ("https://cdn.test/\r\nX: y", "forbidden characters"),
        ("ht\ttps://cdn.test/", "forbidden characters"),
        ("https://cdn.test/é", "forbidden characters"),
        ("https://2130706433/", "no URL"),
        ("https://0x7f.1/", "no URL"),
        ("https://cdn.test:0/", "no URL"),
        ("https://[::1%25eth0]/", "no URL"),
        ("https:///a", "no URL"),
        ("https://" + "x" * 20000, "more than 16 KiB"),
    ],
)
def test_a_bad_target_is_a_failure_that_says_why(location: str | None, sentence: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        redirected(location)
    assert caught.value.failure is FailureClass.CONNECT
    assert caught.value.detail.startswith("registry.test: redirects ")
    assert sentence in caught.value.detail
    assert "canary" not in caught.value.detail


def test_a_plain_registry_may_redirect_to_plain() -> None:
    request = redirected("http://cdn.test/a", block=PLAIN)
    assert request is not None
    assert (request.scheme, request.authority) == ("http", Authority("cdn.test", 80))
