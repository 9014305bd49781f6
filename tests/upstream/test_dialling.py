"""Names, addresses and TLS: who is connected to, and what is said when nobody is."""

import asyncio
import ssl
from dataclasses import replace
from ipaddress import ip_network

import pytest

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.registry import ConnectTo, HostPattern, Registry
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import Limits, UpstreamRequest
from tests.upstream.standin import (
    OK,
    TEN,
    Events,
    Recorder,
    StandIn,
    Talk,
    TestAuthority,
    ask,
    registry,
    says,
)

QUICK = Limits(connect=1.0, first_byte=0.4, stall=1)


def test_tls_failures_name_the_host_and_send_nothing() -> None:
    async def story(authority: TestAuthority) -> None:
        contexts = {
            "wrong name": authority.context("other.test"),
            "self-signed": authority.context("registry.test", signed_by_itself=True),
            "expired": authority.context("registry.test", expired=True),
            "TLS 1.1 at most": _outdated(authority.context("registry.test")),
        }
        for context in contexts.values():
            client = Client(Events(), limits=QUICK)
            async with StandIn(says(TEN), context) as stand_in:
                block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
                with pytest.raises(UpstreamFailed, match=r"^registry\.test: ") as caught:
                    await client.start(ask(block, fields=(("Authorization", "Bearer x"),)), Recorder()).finished()
                assert caught.value.failure is FailureClass.TLS
                assert stand_in.heard == []
                await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def _outdated(context: ssl.SSLContext) -> ssl.SSLContext:
    """Speaks nothing newer than TLS 1.1."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_tls_that_never_answers_is_a_timeout() -> None:
    async def story(authority: TestAuthority) -> None:
        client = Client(Events(), limits=Limits(connect=0.3))
        async with StandIn(says()) as deaf:
            block = registry(("registry.test", deaf), ca_file=authority.ca_file)
            with pytest.raises(UpstreamFailed) as caught:
                await client.start(ask(block), Recorder()).finished()
            assert caught.value.failure is FailureClass.TIMEOUT
            await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_a_truncated_tls_stream_is_no_end_of_body() -> None:
    """Close-delimited, and cut without close_notify: TLS tells, and libcurl believes it."""

    async def story(authority: TestAuthority) -> None:
        client = Client(Events(), limits=QUICK)
        async with StandIn(says(OK, b"\r\nhalf", then=Talk.reset), authority.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            with pytest.raises(UpstreamFailed) as caught:
                await client.start(ask(block), Recorder()).finished()
            assert caught.value.failure is FailureClass.RESET
            await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_a_refused_connection_says_so() -> None:
    async def story() -> None:
        client = Client(Events())
        async with StandIn(says()) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
        with pytest.raises(UpstreamFailed, match=r"registry\.test:80: connection refused") as caught:
            await client.start(ask(block), Recorder()).finished()
        assert caught.value.failure is FailureClass.CONNECT
        await client.close()

    asyncio.run(story())


def test_a_name_that_does_not_resolve_is_dns() -> None:
    async def story() -> None:
        client = Client(Events())
        request = ask(registry(scheme="http"))
        with pytest.raises(UpstreamFailed, match="does not resolve") as caught:
            await client.start(request, Recorder()).finished()
        assert caught.value.failure is FailureClass.DNS
        await client.close()

    asyncio.run(story())


@pytest.mark.parametrize("closed", [False, True], ids=["nobody listens on the first", "the policy closes the first"])
def test_an_address_that_cannot_be_had_is_passed_over_for_the_next(closed: bool) -> None:
    """libcurl gives `localhost` two addresses, ::1 before 127.0.0.1, where the stand-in is alone."""

    async def story() -> None:
        client = Client(Events(), limits=QUICK)
        async with StandIn(says(OK, b"Content-Length: 0\r\n\r\n")) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            (dial,) = block.connect_to
            both = ConnectTo(dial.authority, Authority("localhost", dial.target.port))
            networks = block.allow_address if closed else (*block.allow_address, ip_network("::1/128"))
            dialled = replace(block, connect_to=(both,), allow_address=networks)
            await client.start(ask(dialled), Recorder()).finished()
            assert stand_in.connections == 1
            await client.close()

    asyncio.run(story())


def test_a_stale_pooled_connection_is_replaced_without_a_word() -> None:
    async def script(talk: Talk) -> None:
        await talk.answer(200, b"x")
        if talk.heard.connection == 1:
            talk.close()

    async def story() -> None:
        client = Client(Events())
        async with StandIn(script) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            for _ in range(2):
                await client.start(ask(block), Recorder()).finished()
            assert stand_in.connections == 2
            await client.close()

    asyncio.run(story())


def test_a_dialled_address_is_judged_whatever_the_name() -> None:
    listener = Authority("127.0.0.1", 3128)
    refused = {
        Authority("127.0.0.1", 9): "127.0.0.1 is a loopback",
        Authority("10.0.0.1", 80): "10.0.0.1 is a private address",
        Authority("169.254.169.254", 80): "169.254.169.254 is a loopback, link-local",
        Authority("::1", 80): "::1 is a loopback",
        Authority("::ffff:127.0.0.1", 80): "127.0.0.1 is a loopback",
        listener: "127.0.0.1 port 3128 is this proxy itself",
    }

    async def story() -> None:
        client = Client(Events(), listeners=frozenset({listener}))
        for target, sentence in refused.items():
            with pytest.raises(UpstreamFailed) as caught:
                await client.start(dialling(target), Recorder()).finished()
            assert caught.value.failure is FailureClass.CONNECT
            assert sentence in caught.value.detail
            assert "allow-address" in caught.value.detail
        await client.close()

    asyncio.run(story())


def dialling(target: Authority) -> UpstreamRequest:
    """A request to a host that the block does not name, dialled at `target`."""
    stranger = Authority("stranger.test", 80)
    block = replace(registry(scheme="http"), allow_address=(), connect_to=(ConnectTo(stranger, target),))
    return replace(ask(block), authority=stranger)


@pytest.mark.parametrize(("ipv6", "words"), [(True, ""), (False, "::1 is an IPv6 address, and IPv6 is off")])
def test_without_ipv6_its_literals_are_refused_before_a_socket_is_made(ipv6: bool, words: str) -> None:
    async def story() -> None:
        reached: list[object] = []

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            reached.append(writer)
            writer.write(TEN + b"0123456789")
            writer.close()

        async with await asyncio.start_server(accept, "::1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            target = Authority("::1", port)
            block = Registry("test", (HostPattern("::1", port),), scheme="http", allow_address=(ip_network("::1/128"),))
            client = Client(Events(), ipv6=ipv6)
            request = UpstreamRequest(target, "http", block, "GET", "/v2/", (), "ping")
            transfer = client.start(request, Recorder())
            if ipv6:
                await transfer.finished()
            else:
                with pytest.raises(UpstreamFailed, match=words) as caught:
                    await transfer.finished()
                assert caught.value.ours
            assert len(reached) == int(ipv6)
            await client.close()

    asyncio.run(story())
