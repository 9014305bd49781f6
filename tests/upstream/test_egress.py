"""What a registry's block says of the way to it: patience, connections, and TLS in both directions."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.egress import ClientCertificate, Timeouts, TlsSettings
from regproxy.model.event import UpstreamFinished
from regproxy.model.registry import HostPattern, Registry
from regproxy.model.secret import Origin, Secret
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import Limits
from tests.upstream.standin import (
    OK,
    TEN,
    Events,
    Recorder,
    StandIn,
    Talk,
    TestAuthority,
    admission,
    ask,
    registry,
    says,
)

WHOLE = TEN + b"0123456789"


def outcome(block: Registry, limits: Limits | None = None, host: str = "registry.test") -> "asyncio.Task[str]":
    """The class of the failure of one request, with its words; empty for an answer."""

    async def run() -> str:
        client = Client(Events(), limits=limits)
        request = replace(ask(block), authority=Authority(host, ask(block).authority.port))
        try:
            await client.start(request, Recorder()).finished()
        except UpstreamFailed as failed:
            return f"{failed.failure}: {failed.detail}"
        finally:
            await client.close()
        return ""

    return asyncio.ensure_future(run())


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (Timeouts(connect=0.2), "timeout: registry.test: "),
        (Timeouts(first_byte=0.2), "timeout: registry.test:80: no answer within 0.2 s"),
        (Timeouts(idle=0.3), "timeout: registry.test:80: Operation too slow"),
    ],
    ids=["connect", "first byte", "idle"],
)
def test_a_block_may_be_less_patient_than_the_proxy(times: Timeouts, words: str) -> None:
    async def story() -> None:
        script = says(OK + b"Content-Length: 10\r\n\r\n", then=Talk.stall) if times.idle else says(then=Talk.stall)
        async with StandIn(script) as slow:
            # A TLS hello that nobody answers is part of the connect.
            block = registry(("registry.test", slow), scheme="https" if times.connect else "http")
            said = await asyncio.wait_for(outcome(replace(block, timeouts=times)), 5)
            assert said.startswith(words)

    asyncio.run(story())


def test_a_block_may_be_more_patient_than_the_proxy() -> None:
    async def slowly(talk: Talk) -> None:
        await asyncio.sleep(0.5)
        await talk.answer(200, b"late")

    async def story() -> None:
        async with StandIn(slowly) as slow:
            block = registry(("registry.test", slow), scheme="http")
            assert (await outcome(block, Limits(first_byte=0.1))).startswith("timeout")
            assert await outcome(replace(block, timeouts=Timeouts(first_byte=5.0)), Limits(first_byte=0.1)) == ""

    asyncio.run(story())


def test_connections_are_bounded_and_to_wait_for_one_is_no_connect_that_takes_too_long() -> None:
    async def slowly(talk: Talk) -> None:
        await asyncio.sleep(0.2)
        await talk.answer(200, b"done")

    async def story() -> None:
        async with StandIn(slowly) as slow:
            block = replace(registry(("registry.test", slow), scheme="http"), connections=2)
            client = Client(Events(), limits=Limits(connect=0.3))
            await asyncio.gather(*(client.start(ask(block), Recorder()).finished() for _ in range(8)))
            assert (slow.connections, len(slow.heard)) == (2, 8)
            await client.close()

    asyncio.run(story())


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_block_says_how_often_a_connect_is_tried_again(retries: int) -> None:
    async def story() -> None:
        async with StandIn(says(WHOLE)) as gone:
            block = replace(registry(("registry.test", gone), scheme="http"), retries=retries)
        events = Events()
        client = Client(events)
        with pytest.raises(UpstreamFailed):
            await admission(client).open(ask(block), Recorder())
        assert [type(event) for event in events] == [UpstreamFinished] * (1 + retries)
        await client.close()

    asyncio.run(story())


def test_only_tls_1_3_where_the_block_says_so() -> None:
    async def story(authority: TestAuthority) -> None:
        old = authority.context("registry.test")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with StandIn(says(WHOLE), old) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            assert await outcome(block) == ""
            strict = replace(block, tls=TlsSettings(min_version="1.3"))
            assert (await outcome(strict)).startswith("tls: registry.test: ")
        async with StandIn(says(WHOLE), authority.context("registry.test")) as stand_in:
            strict = replace(
                registry(("registry.test", stand_in), ca_file=authority.ca_file), tls=TlsSettings(min_version="1.3")
            )
            assert await outcome(strict) == ""

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_verify_off_believes_whoever_answers_and_counts_for_its_block_alone() -> None:
    async def story(authority: TestAuthority) -> None:
        async with StandIn(says(WHOLE), authority.context("other.test", signed_by_itself=True)) as stand_in:
            block = registry(("registry.test", stand_in))
            client = Client(Events())
            await client.start(ask(replace(block, tls=TlsSettings(verify=False))), Recorder()).finished()
            with pytest.raises(UpstreamFailed) as caught:
                await client.start(ask(block), Recorder()).finished()
            assert caught.value.failure is FailureClass.TLS
            assert len(stand_in.heard) == 1
            await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def certificate(authority: TestAuthority, name: str, key_of: str = "") -> ClientCertificate:
    """A certificate of that name from the authority, and its key, or another's."""

    def secret(whose: str) -> Secret:
        authority.context(whose)
        path = Path(authority.ca_file).with_name(f"{whose}-False.pem")
        return Secret(Origin("file", str(path)), path.read_text())

    return ClientCertificate(secret(name), secret(key_of or name))


def _only_pem(secret: Secret, wanted: str) -> Secret:
    parts = [f"-----BEGIN {part}" for part in secret.value.split("-----BEGIN ")[1:]]
    return replace(secret, value="".join(part for part in parts if wanted in part))


def test_a_client_certificate_is_shown_to_the_registry_and_its_token_hosts_and_to_no_redirect() -> None:
    shown: list[str] = []

    def demanding(authority: TestAuthority, name: str) -> ssl.SSLContext:
        context = authority.context(name)
        context.load_verify_locations(authority.ca_file)
        # Asked for, not insisted on: what comes is what we are ready to show.
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    async def tell(talk: Talk) -> None:
        peer = talk.writer.get_extra_info("peercert")
        shown.append("us" if peer else "nobody")
        await talk.answer(200, b"x")

    async def story(authority: TestAuthority) -> None:
        hosts = ("registry.test", "login.test", "cdn.test")
        async with (
            StandIn(tell, demanding(authority, hosts[0])) as first,
            StandIn(tell, demanding(authority, hosts[1])) as second,
            StandIn(tell, demanding(authority, hosts[2])) as third,
        ):
            block = registry(
                *zip(hosts, (first, second, third), strict=True), ca_file=authority.ca_file, token_hosts=("login.test",)
            )
            block = replace(
                block,
                redirect_hosts=(HostPattern("cdn.test", 443),),
                tls=TlsSettings(client=certificate(authority, "us.test")),
            )
            for host in hosts:
                assert await outcome(block, host=host) == ""
        assert shown == ["us", "us", "nobody"]

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_a_registry_that_wants_a_client_certificate_answers_nobody_else() -> None:
    async def story(authority: TestAuthority) -> None:
        context = authority.context("registry.test")
        context.load_verify_locations(authority.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        async with StandIn(says(WHOLE), context) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            assert await outcome(block) != ""
            assert stand_in.heard == []
            assert await outcome(replace(block, tls=TlsSettings(client=certificate(authority, "us.test")))) == ""

    with TestAuthority() as authority:
        asyncio.run(story(authority))


@pytest.mark.parametrize("spoil", ["another's key", "no PEM"])
def test_a_pair_that_is_none_is_said_before_anything_is_dialled(spoil: str) -> None:
    def spoilt(authority: TestAuthority) -> ClientCertificate:
        pair = certificate(authority, "us.test", key_of="them.test")
        chain, key = _only_pem(pair.chain, "CERTIFICATE"), _only_pem(pair.key, "PRIVATE KEY")
        return ClientCertificate(chain, key if spoil == "another's key" else replace(key, value="PRIVATE KEY-----"))

    async def story(authority: TestAuthority) -> None:
        async with StandIn(says(WHOLE), authority.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            said = await outcome(replace(block, tls=TlsSettings(client=spoilt(authority))))
            assert said.startswith("tls: registry.test: the client certificate in ")
            assert "cannot be used with its key" in said
            assert stand_in.connections == 0

    with TestAuthority() as authority:
        asyncio.run(story(authority))
