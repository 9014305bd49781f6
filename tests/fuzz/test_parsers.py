"""Everything that strangers write and we read: whatever it is, it is refused in words or read to something sound."""

import asyncio
import contextlib
import ipaddress
import socket

import pytest

from regproxy.cache.local_token import LocalTokens
from regproxy.model.address import Authority, canonical_host, parse_authority
from regproxy.model.login import Password
from regproxy.model.manifest import MAX_CHILDREN, children, descriptors
from regproxy.model.message import ByteRange, Head, Unsatisfiable, field, resolve_range
from regproxy.model.oci import parse_digest
from regproxy.model.registry import HostPattern, Registry
from regproxy.policy.diagnostic import render
from regproxy.policy.load import load
from regproxy.policy.show import show
from regproxy.policy.source import Source
from regproxy.proxy.balancer import read_client
from regproxy.upstream.authenticate import parse_challenges, read_challenge, realm_of
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.ratelimit import MAX_HOLD_SECONDS, MIN_HOLD_SECONDS, read_retry_after
from regproxy.upstream.redirects import follow
from regproxy.upstream.request import UpstreamRequest
from tests.cache.world import SEAL
from tests.fuzz.mutation import mutated

REGISTRY = Registry("r", (HostPattern("registry.test", 443),), token_hosts=(HostPattern("login.test", 443, True),))
AUTHORITY = Authority("registry.test", 443)
HOSTS = [
    *b"registry.test login.test a.login.test 127.0.0.1 [::1] [::ffff:7f00:1] 0x7f.1 2130706433 localhost".split(),
    *(b"registry.test.", b"registry\xe3\x80\x82test", b"%72egistry.test", b"[fe80::1%25eth0]", b"xn--bcher-kva.test"),
]


def test_policies(seed: int, soak: float) -> None:
    corpus = [
        b'policy 1; registry a { hosts "a.example"; tls { verify off; min-version "1.3"; } }',
        b"policy 1; let x = [429, 5xx]; defaults { stale if-error 7d on $x; } tier a { match any; pass; }",
        b"policy 1; tier a { match not (kind is manifest and tag matches 'v?\\d+') or repo like \"a/**\"; fresh 1h; }",
        b'policy 1; tunnel { allow "**"; ports any 8443; } cache { size 1GiB; min-free 10%; } # c\n',
        b'policy 1; test "x" { request GET "a/b:1"; given stored age 2d; expect tier a; }',
    ]
    words = (
        b"registry tier match { } ; \" ' [ ] ( ) $ # and or not is in like matches 5m 1GiB 10% 180/6h * ** \\".split()
    )
    for made in mutated(corpus, words, seed, int(25_000 * soak)):
        text = made.decode("utf-8", "replace")
        loaded = load(Source("fuzzed", text), {})
        for finding in loaded.diagnostics:
            assert render(finding)
        if loaded.policy is not None:
            again = load(Source("shown", show(loaded.policy)), {}).policy
            assert again is not None, text
            assert again.registries == loaded.policy.registries, text


def test_authorities(seed: int, soak: float) -> None:
    corpus = [host + port for host in HOSTS for port in (b"", b":443", b":0", b":65536")]
    for made in mutated(corpus, (*HOSTS, b":", b".", b"@", b"/", b"%", b"0", b"443"), seed, int(1_500_000 * soak)):
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


def test_challenges(seed: int, soak: float) -> None:
    corpus = [
        b'Bearer realm="https://login.test/token",service="registry.test",scope="repository:a/b:pull"',
        b'Basic realm="a", Bearer realm="https://registry.test/t"',
        b"Negotiate dG9rZW4=, Bearer realm=x",
        b'Digest realm="a\\"b", nonce="c", Basic',
    ]
    words = (*HOSTS, b"Bearer ", b"Basic ", b"realm=", b'"', b"\\", b",", b"=", b"https://", b"http://", b"@")
    for made in mutated(corpus, words, seed, int(1_000_000 * soak)):
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


def test_locations(seed: int, soak: float) -> None:
    corpus = [b"https://" + host + path for host in HOSTS for path in (b"/x?y=1", b":8443/", b"")]
    corpus += [b"/v2/../x", b"//evil.test/x", b"../a?b#c", b"?x", b"https:/x", b"https:x", b"ftp://a/"]
    words = (*HOSTS, b"https://", b"http:", b"//", b"/", b"\\", b"@", b"..", b"?", b"#", b";", b":", b"%2f")
    secrets = (("Authorization", "Bearer x"), ("Cookie", "a=b"), ("Accept", "*/*"))
    ask = UpstreamRequest(AUTHORITY, "https", REGISTRY, "GET", "/v2/a/blobs/b", secrets, "blob")
    for made in mutated(corpus, words, seed, int(800_000 * soak)):
        value = made.decode("latin-1")
        with contextlib.suppress(UpstreamFailed):
            followed = follow(ask, Head(307, (("Location", value),)))
            assert followed is not None
            assert followed.scheme == "https", value
            assert parse_authority(str(followed.authority)) == followed.authority, value
            assert field(followed.fields, "authorization") is None
            assert field(followed.fields, "cookie") is None


def test_ranges(seed: int, soak: float) -> None:
    corpus = [b"bytes=0-", b"bytes=5-9", b"bytes=-5", b"bytes=0-0,5-6", b"bytes = 1-2", b"items=0-5", b"bytes=9-5"]
    for made in mutated(corpus, (b"bytes=", b"-", b",", b"0", b"99999999999999999999"), seed, int(3_000_000 * soak)):
        value = made.decode("latin-1")
        for size in (0, 10):
            match resolve_range(value, size):
                case ByteRange(start=start, stop=stop):
                    assert 0 <= start < stop <= size, value
                case Unsatisfiable() | None:
                    pass


def test_retry_after(seed: int, soak: float) -> None:
    corpus = [b"120", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
    for made in mutated(corpus, (b"GMT", b"9", b"31", b"Feb", b"-1", b"24:00:61", b"+"), seed, int(2_000_000 * soak)):
        seconds = read_retry_after((("Retry-After", made.decode("latin-1")),), 1.7e9)
        assert seconds is None or MIN_HOLD_SECONDS <= seconds <= MAX_HOLD_SECONDS, made


def test_manifests(seed: int, soak: float) -> None:
    digest = b"sha256:" + b"a1" * 32
    one = b'{"mediaType":"m","digest":"' + digest + b'","size":7,"platform":{"os":"linux","architecture":"arm64"}}'
    corpus = [
        b'{"schemaVersion":2,"manifests":[' + one + b"," + one + b"]}",
        b'{"schemaVersion":2,"config":' + one + b',"layers":[' + one + b"]}",
        b'{"schemaVersion":1,"fsLayers":[{"blobSum":"' + digest + b'"}]}',
    ]
    words = [digest, one, *b'[ ] { } , : null true -1 1e999 NaN "digest" "size" "layers" "\\ud800" [[[['.split()]
    for made in mutated(corpus, words, seed, int(1_000_000 * soak)):
        found = descriptors(made)
        assert len(found) <= MAX_CHILDREN
        for each in (*children(made), *(one.digest for one in found)):
            assert parse_digest(str(each)) == each, made


def test_proxy_headers(seed: int, soak: float) -> None:
    second = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes([10, 0, 0, 9, 10, 0, 0, 1]) + b"\x01\xbb\x01\xbb"
    corpus = [
        b"PROXY TCP4 10.0.0.9 10.0.0.1 5000 443\r\n",
        b"PROXY TCP6 fd00::9 fd00::1 5000 443\r\n",
        b"PROXY UNKNOWN ffff::1 x\r\n",
        second,
        second.replace(b"\x21\x11", b"\x20\x00"),
    ]
    words = (b"TCP4", b"TCP6", b" ", b"\r\n", b"::ffff:10.0.0.9", b"fe80::1%eth0", b"65536", b"\xff\xff", b"PROXY ")

    async def told(header: bytes) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.sendall(header)
            theirs.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ValueError):
                client = await read_client(ours, "10.0.0.1")
                assert str(ipaddress.ip_address(client)) == client, header

    async def story() -> None:
        for made in mutated(corpus, words, seed, int(500_000 * soak)):
            await told(made)

    asyncio.run(story())


def test_local_tokens(seed: int, soak: float) -> None:
    tokens = LocalTokens(lambda: SEAL, lambda: 1000.0)
    login = Password("alice", "wonderland")
    issued = [tokens.issue(AUTHORITY, login, f"repository:a/b{number}:pull") for number in range(3)]
    scopes = {claims.scope for token in issued if (claims := tokens.read(AUTHORITY, token)) is not None}
    assert len(scopes) == len(issued)
    other = Authority("other.test", 443)
    for made in mutated(
        [token.encode() for token in issued], (b".", b"=", b"-", b"_", b"AAAA"), seed, int(1_000_000 * soak)
    ):
        text = made.decode("latin-1")
        claims = tokens.read(AUTHORITY, text)
        # There is no changed token: what opens is one of ours, and for its own registry alone.
        assert claims is None or (claims.login, claims.scope in scopes) == (login, True), text
        assert tokens.read(other, text) is None


@pytest.mark.parametrize("count", [1, 3, 500])
def test_there_are_as_many_inputs_as_asked_for_the_corpus_first_and_the_same_for_a_seed(count: int) -> None:
    corpus = [b"one", b"two"]
    made = list(mutated(corpus, [b"x"], 7, count))
    assert len(made) == count
    assert made[:2] == corpus[:count]
    assert made == list(mutated(corpus, [b"x"], 7, count))
