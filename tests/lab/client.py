"""A client of our own, for what real clients are too coarse to show: one CONNECT, TLS that trusts only the proxy's CA,
and HTTP/1.1 with keep-alive, slow readers and Host fields that lie."""

import hashlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; field names are lower-case."""

    status: int
    reason: str
    fields: Mapping[str, str]
    body: bytes

    @property
    def digest(self) -> str:
        """What the body hashes to."""
        return "sha256:" + hashlib.sha256(self.body).hexdigest()


class Refused(Exception):  # noqa: N818 -- the proxy's word, not a mistake
    """The proxy answered CONNECT with something else than 200."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


def connect(port: int, authority: str, proof: str = "") -> socket.socket:
    """A tunnel through the proxy at `port`, with `proof` as Proxy-Authorization; raises Refused."""
    fields = f"Proxy-Authorization: {proof}\r\n" if proof else ""
    raw = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
    try:
        raw.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n".encode("latin-1"))
        _expect_tunnel(raw)
    except BaseException:
        raw.close()
        raise
    return raw


def _expect_tunnel(raw: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (byte := raw.recv(1)):  # one by one: what follows the head belongs to the tunnel
            raise ConnectionResetError(f"no answer to CONNECT: {head!r}")
        head += byte
    _, status, reason = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
    if status != "200":
        raise Refused(int(status), reason)


def plain(port: int, method: str, target: str, **fields: str) -> Reply:
    """One request sent to the proxy port in the clear, with the target as given: absolute-form, or a path."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.putrequest(method, target, skip_host="host" in fields, skip_accept_encoding=True)
        for name, value in fields.items():
            connection.putheader(name, value)
        connection.endheaders()
        return _reply(connection.getresponse())
    finally:
        connection.close()


class Client:
    """One intercepted connection: CONNECT to `authority`, then HTTP/1.1 with keep-alive inside TLS."""

    def __init__(self, port: int, ca_file: Path, authority: str, server_name: str = "", proof: str = "") -> None:
        self.authority = authority
        self._host = authority.removesuffix(":443")
        context = ssl.create_default_context(cafile=str(ca_file))
        raw = connect(port, authority, proof)
        self._connection = http.client.HTTPConnection(self._host, timeout=_TIMEOUT)
        self._connection.auto_open = 0
        try:
            name = server_name or authority.rpartition(":")[0]
            self._connection.sock = context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def send(
        self, method: str, target: str, fields: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """Send a request and read the head of its answer; the body is the caller's to read."""
        headers = {"Host": self._host, "Accept": "*/*"} | dict(fields or {})
        self._connection.request(method, target, body, headers)
        return self._connection.getresponse()

    def request(
        self, method: str, target: str, fields: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """One whole exchange; http.client.IncompleteRead if the answer is cut."""
        return _reply(self.send(method, target, fields, body))

    def chunked(self, method: str, target: str, chunks: list[bytes], fields: Mapping[str, str]) -> Reply:
        """One whole exchange whose request has a body in these chunks, without a length."""
        headers = {"Host": self._host, "Transfer-Encoding": "chunked"} | dict(fields)
        self._connection.request(method, target, iter(chunks), headers, encode_chunked=True)
        return _reply(self._connection.getresponse())

    def begun(self, method: str, target: str, first: bytes) -> None:
        """The head of a request whose body comes in chunks, and the first of them."""
        self._connection.putrequest(method, target, skip_accept_encoding=True)
        self._connection.putheader("Transfer-Encoding", "chunked")
        self._connection.endheaders(b"%x\r\n%s\r\n" % (len(first), first))

    def get(self, target: str, **fields: str) -> Reply:
        """GET, with fields whose names need no hyphen."""
        return self.request("GET", target, fields)


def _reply(response: http.client.HTTPResponse) -> Reply:
    fields = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, response.reason, fields, response.read())


def read_slowly(response: http.client.HTTPResponse, rate: int, piece: int = 1 << 18) -> Iterator[bytes]:
    """The body at no more than `rate` bytes per second."""
    began, taken = time.monotonic(), 0
    while data := response.read(piece):
        yield data
        taken += len(data)
        time.sleep(max(0.0, began + taken / rate - time.monotonic()))
