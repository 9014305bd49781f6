"""Our own anonymous tokens: asked for once, kept as long as they hold, never where they do not belong."""

import asyncio
import json

import pytest

from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.limited import Limited
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.tokens import MAX_TOKENS, Tokens, parse_token, token_request
from tests.upstream.standin import Events, Script, StandIn, Talk, admission, ask, registry, until

BEARER = Challenge("bearer", "http://registry.test/token?x=1", "registry.test")
SCOPE = "repository:library/redis:pull"


@pytest.mark.parametrize(
    ("body", "token"),
    [
        ({"token": "a"}, ("a", 60.0)),
        ({"access_token": "b"}, ("b", 60.0)),
        ({"token": "", "access_token": "b"}, ("b", 60.0)),
        ({"token": "a", "expires_in": 300}, ("a", 300.0)),
        ({"token": "a", "expires_in": 0}, ("a", 10.0)),
        ({"token": "a", "expires_in": -1}, ("a", 10.0)),
        ({"token": "a", "expires_in": 10**400}, ("a", 3600.0)),
        ({"token": "a", "expires_in": 1e300}, ("a", 3600.0)),
        ({"token": "a", "expires_in": float("nan")}, ("a", 60.0)),
        ({"token": "a", "expires_in": float("inf")}, ("a", 60.0)),
        ({"token": "a", "expires_in": "300"}, ("a", 60.0)),
        ({"token": "a", "expires_in": True}, ("a", 60.0)),
        ({"token": "x" * 16384}, ("x" * 16384, 60.0)),
    ],
)
def test_a_token_and_its_lifetime_are_read(body: dict[str, object], token: tuple[str, float]) -> None:
    assert parse_token(json.dumps(body).encode()) == token


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[" * 60000,
        b"[]",
        b'"token"',
        b"{}",
        b'{"token": 1}',
        b'{"token": ["a"]}',
        b'{"token": ""}',
        b'{"token": "a b"}',
        b'{"token": "a\\r\\nX: y"}',
        '{"token": "\u00e9"}'.encode(),
        b'{"token": "' + b"x" * 16385 + b'"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_usable_token_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="the token service's answer"):
        parse_token(body)


def test_a_token_is_asked_for_anonymously_and_for_exactly_this_scope() -> None:
    asked = token_request(ask(registry(scheme="http"), fields=(("Authorization", "Bearer canary"),)), BEARER, SCOPE)
    assert asked.target == "/token?x=1&service=registry.test&scope=repository:library/redis:pull"
    assert (asked.method, asked.purpose, asked.fields) == ("GET", "token", (("Accept", "application/json"),))
    nameless = token_request(ask(registry(scheme="http")), Challenge("bearer", "http://registry.test/t"), "")
    assert nameless.target == "/t"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """A token service that numbers its tokens."""

    def __init__(self, status: int = 200, expires_in: object = 100) -> None:
        self.status = status
        self.expires_in = expires_in
        self.issued = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, talk: Talk) -> None:
        self.issued += 1
        if self.gate is not None:
            await self.gate.wait()
        body = {"token": f"token-{self.issued}", "expires_in": self.expires_in}
        await talk.answer(self.status, json.dumps(body).encode())


class Desk:
    """A broker with a stand-in token service and a clock of its own."""

    def __init__(self, script: Script) -> None:
        self.stand_in = StandIn(script)
        self.clock = Clock()

    async def __aenter__(self) -> "Desk":
        await self.stand_in.__aenter__()
        self.client = Client(Events())
        self.tokens = Tokens(admission(self.client), self.clock)
        self.request: UpstreamRequest = ask(registry(("registry.test", self.stand_in), scheme="http"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.tokens.close()
        await self.client.close()
        await self.stand_in.__aexit__()

    async def get(self, scope: str = SCOPE) -> str | int:
        return await self.tokens.get(self.request, BEARER, scope)


def test_a_token_is_kept_for_nine_tenths_of_its_life() -> None:
    async def story() -> None:
        async with Desk(Issuer(expires_in=100)) as desk:
            assert await desk.get() == "token-1"
            desk.clock.now += 89
            assert await desk.get() == "token-1"
            desk.clock.now += 1
            assert await desk.get() == "token-2"
            assert await desk.get("repository:other:pull") == "token-3"

    asyncio.run(story())


def test_a_hundred_who_need_one_token_ask_once() -> None:
    async def story() -> None:
        issuer = Issuer()
        async with Desk(issuer) as desk:
            tokens = await asyncio.gather(*(desk.get() for _ in range(100)))
            assert set(tokens) == {"token-1"}
            assert issuer.issued == 1

    asyncio.run(story())


def test_the_first_to_ask_may_leave_and_the_others_still_get_it() -> None:
    async def story() -> None:
        issuer = Issuer()
        issuer.gate = asyncio.Event()
        async with Desk(issuer) as desk:
            first = asyncio.ensure_future(desk.get())
            await until(lambda: issuer.issued)
            second = asyncio.ensure_future(desk.get())
            await asyncio.sleep(0)
            first.cancel()
            issuer.gate.set()
            assert await second == "token-1"
            with pytest.raises(asyncio.CancelledError):
                await first

    asyncio.run(story())


def test_a_refused_token_is_dropped_unless_it_was_renewed_meanwhile() -> None:
    async def story() -> None:
        async with Desk(Issuer()) as desk:
            assert await desk.get() == "token-1"
            desk.tokens.drop(desk.request, BEARER, SCOPE, "token-1")
            assert await desk.get() == "token-2"
            desk.tokens.drop(desk.request, BEARER, SCOPE, "token-1")
            assert await desk.get() == "token-2"

    asyncio.run(story())


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_service_that_gives_strangers_nothing_is_not_asked_again_for_ten_seconds(status: int) -> None:
    async def story() -> None:
        issuer = Issuer(status)
        async with Desk(issuer) as desk:
            assert await desk.get() == status
            desk.clock.now += 9
            assert await desk.get() == status
            assert issuer.issued == 1
            desk.clock.now += 1
            assert await desk.get() == status
            assert issuer.issued == 2

    asyncio.run(story())


async def redirecting(talk: Talk) -> None:
    await talk.answer(302, b"", ("Location", "https://evil.test/token"))


async def nonsense(talk: Talk) -> None:
    await talk.answer(200, b"<html>")


async def huge(talk: Talk) -> None:
    await talk.answer(200, b'{"token": "a", "x": "' + b"x" * 10_000_000 + b'"}')


async def limited(talk: Talk) -> None:
    await talk.answer(429, b"slow down", ("Retry-After", "90"))


async def broken(talk: Talk) -> None:
    await talk.answer(503)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (redirecting, "the token service answered 302"),
        (nonsense, "is no JSON"),
        (huge, "larger than 65536 bytes"),
        (broken, "answered 503"),
    ],
)
def test_a_token_service_that_answers_nonsense_is_a_credential_failure(script: Script, sentence: str) -> None:
    async def story() -> None:
        async with Desk(script) as desk:
            for count in (1, 2):
                with pytest.raises(UpstreamFailed, match=sentence) as caught:
                    await desk.get()
                assert caught.value.failure is FailureClass.CREDENTIAL
                assert caught.value.detail.startswith("registry.test:80: ")
                assert len(desk.stand_in.heard) == count

    asyncio.run(story())


def test_a_token_service_that_limits_us_is_left_alone() -> None:
    async def story() -> None:
        async with Desk(limited) as desk:
            for scope in (SCOPE, "repository:other:pull"):
                with pytest.raises(Limited, match=r"registry\.test:80 limits the requests of this proxy") as caught:
                    await desk.get(scope)
                assert 89 < caught.value.wait <= 90
            assert len(desk.stand_in.heard) == 1

    asyncio.run(story())


def test_a_realm_that_breaks_the_rules_is_never_asked() -> None:
    async def story() -> None:
        async with Desk(Issuer()) as desk:
            evil = Challenge("bearer", "http://evil.test/token", "registry.test")
            with pytest.raises(UpstreamFailed, match=r"evil\.test:80, which the policy does not list in token-hosts"):
                await desk.tokens.get(desk.request, evil, SCOPE)
            assert desk.stand_in.connections == 0

    asyncio.run(story())


def test_closing_ends_those_who_wait_with_a_failure() -> None:
    async def story() -> None:
        issuer = Issuer()
        issuer.gate = asyncio.Event()
        async with Desk(issuer) as desk:
            waiting = asyncio.ensure_future(desk.get())
            await until(lambda: issuer.issued)
            await desk.tokens.close()
            with pytest.raises(UpstreamFailed, match="shutting down"):
                await waiting

    asyncio.run(story())


def test_the_number_of_tokens_is_bounded() -> None:
    async def story() -> None:
        async with Desk(Issuer(expires_in=3600)) as desk:
            for n in range(MAX_TOKENS + 20):
                await desk.get(f"repository:r{n}:pull")
            assert len(desk.tokens._kept) == MAX_TOKENS
            assert await desk.get(f"repository:r{MAX_TOKENS + 19}:pull") == f"token-{MAX_TOKENS + 20}"

    asyncio.run(story())
