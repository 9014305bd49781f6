"""Everything that strangers write and we read: whatever it is, it is refused in words or read to something sound."""

import asyncio
import contextlib
import ipaddress
import socket

import pytest

from regproxy.cache.local_token import LocalTokens
from regproxy.model.address import Authority
from regproxy.model.login import Password
from regproxy.proxy.balancer import read_client
from tests.cache.world import SEAL
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import AUTHORITY, TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_refused_or_read_to_something_sound(name: str, seed: int, soak: float) -> None:
    target = TARGETS[name]
    for made in mutated(target.corpus, target.words, seed, int(target.count * soak)):
        target.read(made)


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
