"""HTTP/2 for what is small and HTTP/1.1 for layers, against a real server that speaks both: nginx."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.registry import ConnectTo, HostPattern, Registry
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest
from tests.lab.certificates import Pki
from tests.lab.nginx import Nginx
from tests.lab.peers import need
from tests.lab.processes import Processes
from tests.upstream.standin import LOOPBACK, OK, Events, Recorder, StandIn, Talk, TestAuthority, ask, registry, until

AT_ONCE = 20
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Speaker:
    """The server, and the block that leads to it."""

    block: Registry

    def ask(self, purpose: str, target: str = "/told") -> UpstreamRequest:
        return UpstreamRequest(Authority("registry.test", 443), "https", self.block, "GET", target, (), purpose)


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[Speaker]:
    """Tells the protocol and the connection of each request in a field; `/large` has a body of 4 MiB."""
    need("nginx")
    pki = Pki(tmp_path / "pki")
    leaf = pki.leaf("registry.test")
    (tmp_path / "large").write_bytes(b"x" * 4 * MIB)
    locations = f"""
        ssl_certificate {leaf.certificate}; ssl_certificate_key {leaf.key};
        add_header Spoken "$server_protocol $connection" always;
        location = /told {{ return 200 "told"; }}
        location = /large {{ root {tmp_path}; }}
    """
    with Processes(tmp_path / "logs") as processes:
        nginx = Nginx(processes, tmp_path / "nginx", locations, " ssl http2").start()
        dial = ConnectTo(Authority("registry.test", 443), Authority("127.0.0.1", nginx.port))
        yield Speaker(
            Registry(
                "test",
                (HostPattern("registry.test", 443),),
                connect_to=(dial,),
                ca_files=(str(pki.root),),
                allow_address=(LOOPBACK,),
            )
        )
        nginx.stop()


async def _spoken(client: Client, requests: list[UpstreamRequest]) -> list[tuple[str, str]]:
    """The protocol and the connection of each request; all are sent at once."""
    transfers = [client.start(request, Recorder()) for request in requests]
    heads = [await transfer.head() for transfer in transfers]
    for transfer in transfers:
        await transfer.finished()
    told = [(head.get("spoken") or "").split(" ") for head in heads]
    return [(protocol, connection) for protocol, connection in told]


@pytest.mark.parametrize("purpose", ["manifest", "token", "list"])
def test_small_requests_at_once_share_one_connection(speaker: Speaker, purpose: str) -> None:
    async def story() -> None:
        client = Client(Events())
        (first,) = await _spoken(client, [speaker.ask(purpose)])
        spoken = await _spoken(client, [speaker.ask(purpose)] * AT_ONCE)
        assert {protocol for protocol, _ in spoken} == {"HTTP/2.0"}
        assert set(spoken) == {first}
        await client.close()

    asyncio.run(story())


def test_layers_have_a_connection_each_and_never_one_of_a_manifests(speaker: Speaker) -> None:
    async def story() -> None:
        client = Client(Events())
        (manifest,) = await _spoken(client, [speaker.ask("manifest")])
        layers = await _spoken(client, [speaker.ask("blob", "/large")] * 4)
        assert {protocol for protocol, _ in layers} == {"HTTP/1.1"}
        assert len({connection for _, connection in (manifest, *layers)}) == 5
        await client.close()

    asyncio.run(story())


def test_a_manifest_overtakes_layers_that_nobody_reads(speaker: Speaker) -> None:
    async def story() -> None:
        client = Client(Events())
        sinks = [Recorder() for _ in range(4)]
        for sink in sinks:
            sink.hold = True
        layers = [client.start(speaker.ask("blob", "/large"), sink) for sink in sinks]
        await until(lambda: all(sink.refused for sink in sinks))
        assert len(await _spoken(client, [speaker.ask("manifest")] * AT_ONCE)) == AT_ONCE
        for sink, layer in zip(sinks, layers, strict=True):
            sink.hold = False
            layer.resume()
        for layer in layers:
            await layer.finished()
        assert {sink.bytes for sink in sinks} == {4 * MIB}
        await client.close()

    asyncio.run(story())


def test_one_stream_that_is_given_up_or_paused_leaves_its_neighbours_alone(speaker: Speaker) -> None:
    async def story() -> None:
        client = Client(Events())
        (first,) = await _spoken(client, [speaker.ask("manifest")])
        held = Recorder()
        held.hold = True
        paused = client.start(speaker.ask("manifest", "/large"), held)
        unwanted = client.start(speaker.ask("manifest", "/large"), Recorder())
        await until(lambda: held.refused)
        unwanted.cancel()
        with pytest.raises(UpstreamFailed, match="given up"):
            await unwanted.finished()
        assert await _spoken(client, [speaker.ask("manifest")] * AT_ONCE) == [first] * AT_ONCE
        held.hold = False
        paused.resume()
        await paused.finished()
        assert held.bytes == 4 * MIB
        await client.close()

    asyncio.run(story())


def test_where_only_http_1_is_spoken_one_answer_that_stays_out_holds_up_no_other() -> None:
    async def script(talk: Talk) -> None:
        if talk.heard.target == "/v2/silent":
            await talk.stall()
        await talk.raw(OK + b"Content-Length: 0\r\n\r\n")

    async def story(authority: TestAuthority) -> None:
        client = Client(Events())
        async with StandIn(script, authority.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            silent = client.start(ask(block, target="/v2/silent"), Recorder())
            others = [client.start(ask(block), Recorder()) for _ in range(AT_ONCE)]
            for other in others:
                await asyncio.wait_for(other.finished(), 5)
            assert not silent.ended
            await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))
