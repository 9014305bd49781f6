"""What strangers write and we read, one function for each: it raises for an input that is read to something unsound."""

import contextlib
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

from regproxy.model.address import Authority, canonical_host, parse_authority
from regproxy.model.manifest import MAX_CHILDREN, children, descriptors
from regproxy.model.message import ByteRange, Head, Unsatisfiable, field, resolve_range
from regproxy.model.oci import parse_digest
from regproxy.model.registry import HostPattern, Registry
from regproxy.policy.diagnostic import render
from regproxy.policy.load import load
from regproxy.policy.show import show
from regproxy.policy.source import Source
from regproxy.upstream.authenticate import parse_challenges, read_challenge, realm_of
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.ratelimit import MAX_HOLD_SECONDS, MIN_HOLD_SECONDS, read_retry_after
from regproxy.upstream.redirects import follow
from regproxy.upstream.request import UpstreamRequest

REGISTRY = Registry("r", (HostPattern("registry.test", 443),), token_hosts=(HostPattern("login.test", 443, True),))
AUTHORITY = Authority("registry.test", 443)
HOSTS = (
    *b"registry.test login.test a.login.test 127.0.0.1 [::1] [::ffff:7f00:1] 0x7f.1 2130706433 localhost".split(),
    *(b"registry.test.", b"registry\xe3\x80\x82test", b"%72egistry.test", b"[fe80::1%25eth0]", b"xn--bcher-kva.test"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """One reader: sound inputs, words of its language, and how many inputs by chance are a whole round."""

    read: Callable[[bytes], None]
    corpus: tuple[bytes, ...]
    words: tuple[bytes, ...]
    count: int


def _policy(made: bytes) -> None:
    text = made.decode("utf-8", "replace")
    loaded = load(Source("fuzzed", text), {})
    for finding in loaded.diagnostics:
        assert render(finding)
    if loaded.policy is not None:
        again = load(Source("shown", show(loaded.policy)), {}).policy
        assert again is not None, text
        assert again.registries == loaded.policy.registries, text


def _authority(made: bytes) -> None:
    text = made.decode("utf-8", "replace")
    with contextlib.suppress(ValueError):
        found = parse_authority(text, 443)
        assert parse_authority(str(found)) == found, text
        assert canonical_host(found.host) == found.host, text
        assert found.host.isascii(), text
        assert found.host == found.host.lower(), text
        assert not set(found.host) & set("@/%[]\\?#"), text
        # What the system's resolver would take for an address is one in its usual spelling, or no host at all.
        with contextlib.suppress(OSError):
            socket.inet_aton(found.host)
            assert str(ipaddress.IPv4Address(found.host)) == found.host, text


def _challenge(made: bytes) -> None:
    value = made.decode("latin-1")
    with contextlib.suppress(ValueError):
        assert all(scheme == scheme.lower() for scheme, _ in parse_challenges(value))
    challenge = read_challenge((("WWW-Authenticate", value),))
    if challenge is not None and challenge.scheme == "bearer":
        with contextlib.suppress(UpstreamFailed):
            scheme, host, target = realm_of(REGISTRY, AUTHORITY, challenge.realm)
            assert scheme == "https", value
            assert host == AUTHORITY or REGISTRY.token_hosts[0].matches(host), value
            UpstreamRequest(host, scheme, REGISTRY, "GET", target, (), "token")


_SECRETS = (("Authorization", "Bearer x"), ("Cookie", "a=b"), ("Accept", "*/*"))
_ASK = UpstreamRequest(AUTHORITY, "https", REGISTRY, "GET", "/v2/a/blobs/b", _SECRETS, "blob")


def _location(made: bytes) -> None:
    value = made.decode("latin-1")
    with contextlib.suppress(UpstreamFailed):
        followed = follow(_ASK, Head(307, (("Location", value),)))
        assert followed is not None
        assert followed.scheme == "https", value
        assert parse_authority(str(followed.authority)) == followed.authority, value
        assert field(followed.fields, "authorization") is None
        assert field(followed.fields, "cookie") is None


def _range(made: bytes) -> None:
    value = made.decode("latin-1")
    for size in (0, 10):
        match resolve_range(value, size):
            case ByteRange(start=start, stop=stop):
                assert 0 <= start < stop <= size, value
            case Unsatisfiable() | None:
                pass


def _retry_after(made: bytes) -> None:
    seconds = read_retry_after((("Retry-After", made.decode("latin-1")),), 1.7e9)
    assert seconds is None or MIN_HOLD_SECONDS <= seconds <= MAX_HOLD_SECONDS, made


def _manifest(made: bytes) -> None:
    found = descriptors(made)
    assert len(found) <= MAX_CHILDREN
    for each in (*children(made), *(one.digest for one in found)):
        assert parse_digest(str(each)) == each, made


_DIGEST = b"sha256:" + b"a1" * 32
_ONE = b'{"mediaType":"m","digest":"' + _DIGEST + b'","size":7,"platform":{"os":"linux","architecture":"arm64"}}'

TARGETS = {
    "policy": Target(
        _policy,
        (
            b'policy 1; registry a { hosts "a.example"; tls { verify off; min-version "1.3"; } }',
            b"policy 1; let x = [429, 5xx]; defaults { stale if-error 7d on $x; } tier a { match any; pass; }",
            b"policy 1; tier a { match not (kind is manifest and tag matches 'v?\\d+') or repo like 'a/*'; fresh 1h; }",
            b'policy 1; tunnel { allow "**"; ports any 8443; } cache { size 1GiB; min-free 10%; } # c\n',
            b'policy 1; test "x" { request GET "a/b:1"; given stored age 2d; expect tier a; }',
        ),
        (
            *b"registry tier match { } ; \" ' [ ] ( ) $ # and or not is in like matches".split(),
            *b"5m 1GiB 10% 180/6h * ** \\".split(),
        ),
        25_000,
    ),
    "authority": Target(
        _authority,
        tuple(host + port for host in HOSTS for port in (b"", b":443", b":0", b":65536")),
        (*HOSTS, b":", b".", b"@", b"/", b"%", b"0", b"443"),
        1_500_000,
    ),
    "challenge": Target(
        _challenge,
        (
            b'Bearer realm="https://login.test/token",service="registry.test",scope="repository:a/b:pull"',
            b'Basic realm="a", Bearer realm="https://registry.test/t"',
            b"Negotiate dG9rZW4=, Bearer realm=x",
            b'Digest realm="a\\"b", nonce="c", Basic',
        ),
        (*HOSTS, b"Bearer ", b"Basic ", b"realm=", b'"', b"\\", b",", b"=", b"https://", b"http://", b"@"),
        1_000_000,
    ),
    "location": Target(
        _location,
        (
            *(b"https://" + host + path for host in HOSTS for path in (b"/x?y=1", b":8443/", b"")),
            *(b"/v2/../x", b"//evil.test/x", b"../a?b#c", b"?x", b"https:/x", b"https:x", b"ftp://a/"),
        ),
        (*HOSTS, b"https://", b"http:", b"//", b"/", b"\\", b"@", b"..", b"?", b"#", b";", b":", b"%2f"),
        800_000,
    ),
    "range": Target(
        _range,
        (b"bytes=0-", b"bytes=5-9", b"bytes=-5", b"bytes=0-0,5-6", b"bytes = 1-2", b"items=0-5", b"bytes=9-5"),
        (b"bytes=", b"-", b",", b"0", b"99999999999999999999"),
        3_000_000,
    ),
    "retry-after": Target(
        _retry_after,
        (b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"),
        (b"GMT", b"9", b"31", b"Feb", b"-1", b"24:00:61", b"+"),
        2_000_000,
    ),
    "manifest": Target(
        _manifest,
        (
            b'{"schemaVersion":2,"manifests":[' + _ONE + b"," + _ONE + b"]}",
            b'{"schemaVersion":2,"config":' + _ONE + b',"layers":[' + _ONE + b"]}",
            b'{"schemaVersion":1,"fsLayers":[{"blobSum":"' + _DIGEST + b'"}]}',
        ),
        (_DIGEST, _ONE, *b'[ ] { } , : null true -1 1e999 NaN "digest" "size" "layers" "\\ud800" [[[['.split()),
        1_000_000,
    ),
}
