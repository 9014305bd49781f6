"""A hostile registry of our own: a raw TLS or plain socket that records what it hears and says what a script says."""

import asyncio
import datetime
import ipaddress
import itertools
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from regproxy.model.address import Authority
from regproxy.model.entry import Challenge
from regproxy.model.event import Event
from regproxy.model.message import Head
from regproxy.model.registry import ConnectTo, HostPattern, Registry
from regproxy.upstream.admission import Admission
from regproxy.upstream.breaker import Breakers
from regproxy.upstream.client import Client
from regproxy.upstream.quota import Quota
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.retries import Retries

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class TestAuthority:
    """A certificate authority that lives in a directory."""

    __test__ = False

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self._folder = Path(self._directory.name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in CA")])
        self.ca_file = str(self._folder / "ca.pem")
        certificate = self._certificate(self._name, self._key, None, None)
        Path(self.ca_file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    def context(self, *names: str, signed_by_itself: bool = False, expired: bool = False) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        certificate = self._certificate(subject, key, names, key if signed_by_itself else None, expired)
        path = self._folder / f"{names[0]}-{signed_by_itself}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: tuple[str, ...] | None,
        signer: ec.EllipticCurvePrivateKey | None,
        expired: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=7 if expired else 0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name if signer is None else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(signer or self._key, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it came over the wire."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key.lower() == name), None)


class Talk:
    """One request being answered by a script."""

    def __init__(self, heard: Heard, writer: asyncio.StreamWriter) -> None:
        self.heard = heard
        self.writer = writer

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: bytes = b"", *fields: tuple[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields)]
        lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        await self.raw(head if self.heard.method == "HEAD" else head + body)

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End the connection with RST, in the middle of whatever it was."""
        self.writer.transport.abort()

    async def stall(self) -> None:
        """Say nothing until the other side leaves."""
        await self.writer.wait_closed()


Script = Callable[[Talk], Awaitable[None]]


class StandIn:
    """Listens on loopback while used as `async with`; `heard` holds every request, `connections` counts."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self.heard: list[Heard] = []
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> Authority:
        return Authority("127.0.0.1", self.port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                heard = await _hear(reader, number)
                self.heard.append(heard)
                await self.script(Talk(heard, writer))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, TimeoutError):
            pass
        finally:
            writer.transport.abort()


async def _hear(reader: asyncio.StreamReader, connection: int) -> Heard:
    text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = text.split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    body = bytearray()
    named = {name.lower(): value for name, value in fields}
    if named.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif "content-length" in named:
        body += await reader.readexactly(int(named["content-length"]))
    return Heard(method, target, fields, bytes(body), connection)


class Recorder:
    """A sink that keeps what it gets; `hold` makes it take nothing, and `bytes` counts without keeping all."""

    def __init__(self, keep: int = 2**20) -> None:
        self.heads: list[Head] = []
        self.kept = bytearray()
        self.bytes = 0
        self.hold = False
        self.refused = 0
        self._keep = keep

    def head(self, head: Head) -> None:
        self.heads.append(head)

    def data(self, chunk: bytes) -> bool:
        if self.hold:
            self.refused += 1
            return False
        self.bytes += len(chunk)
        self.kept += chunk[: max(0, self._keep - len(self.kept))]
        return True


class Remembered:
    """Challenges in a dictionary."""

    def __init__(self) -> None:
        self.known: dict[Authority, Challenge] = {}

    def get(self, authority: Authority) -> Challenge | None:
        return self.known.get(authority)

    def put(self, authority: Authority, challenge: Challenge) -> None:
        self.known[authority] = challenge


def registry(
    *stand_ins: tuple[str, StandIn],
    ca_file: str | None = None,
    token_hosts: tuple[str, ...] = (),
    scheme: str = "https",
) -> Registry:
    """A block for `registry.test` that dials the stand-ins, each under its name, with loopback open."""
    port = 443 if scheme == "https" else 80
    return Registry(
        name="test",
        hosts=(HostPattern("registry.test", port),),
        token_hosts=tuple(HostPattern(name, port) for name in token_hosts),
        scheme="http" if scheme == "http" else "https",
        connect_to=tuple(ConnectTo(Authority(name, port), stand_in.address) for name, stand_in in stand_ins),
        ca_files=(ca_file,) if ca_file else (),
        allow_address=(LOOPBACK,),
    )


def ask(
    block: Registry,
    method: str = "GET",
    target: str = "/v2/",
    fields: tuple[tuple[str, str], ...] = (),
    purpose: str = "manifest",
    **more: object,
) -> UpstreamRequest:
    """A request to `registry.test` in that block."""
    authority = Authority("registry.test", 443 if block.scheme == "https" else 80)
    return UpstreamRequest(authority, block.scheme, block, method, target, fields, purpose, **more)  # type: ignore[arg-type]


class Events(list[Event]):
    """Collects what a client reports."""

    def __call__(self, event: Event) -> None:
        self.append(event)


def admission(
    client: Client, clock: Callable[[], float] = time.time, report: Callable[[Event], None] = lambda event: None
) -> Admission:
    """The way to a client's upstreams, with quota and breakers of its own and retries without delay."""
    return Admission(client, Quota(clock, report), Breakers(clock, report), Retries(lambda: 0.0, report))


OK = b"HTTP/1.1 200 OK\r\n"
TEN = OK + b"Content-Length: 10\r\n\r\n"


def says(*parts: bytes, then: Callable[[Talk], Awaitable[None] | None] = Talk.close) -> Script:
    """A script that says these parts whatever it is asked, and then closes, or does as `then` does."""

    async def script(talk: Talk) -> None:
        for part in parts:
            await talk.raw(part)
        result = then(talk)
        if result is not None:
            await result

    return script


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for what the event loop brings about soon; AssertionError when it does not."""
    deadline = time.monotonic() + seconds
    async for _ in _turns():
        if condition():
            return
        assert time.monotonic() < deadline, "it did not happen in time"


async def _turns() -> AsyncIterator[None]:
    for _ in itertools.count():
        yield
        await asyncio.sleep(0.001)
