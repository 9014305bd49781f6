"""A hostile upstream of our own: real HTTPS over raw sockets, scripted by host and path, every request recorded."""

import re
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event, Lock, Thread
from types import TracebackType
from typing import BinaryIO

from tests.lab.answers import Answer, Handler, Received
from tests.lab.certificates import Leaf
from tests.lab.processes import free_port

_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
_IDLE = 30.0


class _CutError(Exception):
    """The script ends the connection here."""


@dataclass(slots=True)
class _Script:
    answers: list[Answer | Handler]
    used: int = 0

    def next(self) -> Answer | Handler:
        answer = self.answers[min(self.used, len(self.answers) - 1)]
        self.used += 1
        return answer


@dataclass(slots=True)
class Hostile:
    """Listens on `port`; without a leaf it speaks plain HTTP. A path without a script is answered with 404."""

    leaf: Leaf | None
    port: int = field(default_factory=free_port)
    address: str = "127.0.0.1"
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    _scripts: dict[tuple[str, str], _Script] = field(default_factory=dict)
    _listener: socket.socket | None = None
    _sockets: set[socket.socket] = field(default_factory=set)
    _threads: list[Thread] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _stopping: Event = field(default_factory=Event)

    def on(self, host: str, path: str, *answers: Answer | Handler) -> None:
        """Answer `path` on `host` with these in turn, the last one from then on; a final `*` matches any rest."""
        self._scripts[host, path] = _Script(list(answers))

    def serve(self, host: str, answers: dict[str, Answer]) -> None:
        """Answer each path on `host` as given."""
        for path, answer in answers.items():
            self.on(host, path, answer)

    def seen(self, host: str, path: str = "") -> list[Received]:
        """The requests so far for this host, and this path if one is given."""
        return [each for each in self.requests if each.host == host and path in ("", each.path)]

    def start(self) -> None:
        """Listen."""
        self._stopping.clear()
        self._listener = socket.create_server((self.address, self.port), backlog=128)
        self._spawn(self._accept, self._listener)

    def stop(self) -> None:
        """Close everything; connections are refused from now on."""
        self._stopping.set()
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()

    def __enter__(self) -> "Hostile":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                raw, _ = listener.accept()
                self.connections += 1
                self._spawn(self._connection, raw)

    def _connection(self, raw: socket.socket) -> None:
        with self._lock:
            self._sockets.add(raw)
        stream: socket.socket = raw
        try:
            raw.settimeout(_IDLE)
            if self.leaf is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.leaf.certificate, self.leaf.key)
                stream = context.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._sockets.discard(raw)
                    self._sockets.add(stream)
            with stream.makefile("rb") as reader:
                while (request := _read(reader)) is not None and not self._stopping.is_set():
                    self.requests.append(request)
                    _Exchange(stream, request, self._stopping).send(self._answer(request))
        except (OSError, ValueError, _CutError):
            pass  # the other side left, or the script said so
        finally:
            with self._lock:
                self._sockets.discard(stream)
                self._sockets.discard(raw)
            stream.close()

    def _answer(self, request: Received) -> Answer:
        host, path = request.host, request.path
        starred = [
            key for key in self._scripts if key[0] == host and key[1].endswith("*") and path.startswith(key[1][:-1])
        ]
        key = (host, path) if (host, path) in self._scripts else max(starred, key=len, default=None)
        if key is None:
            return Answer(404, body=b'{"errors":[{"code":"NAME_UNKNOWN","message":"no script for this path"}]}')
        with self._lock:
            answer = self._scripts[key].next()
        return answer if isinstance(answer, Answer) else answer(request)


@dataclass(slots=True)
class _Exchange:
    """One answer on its way out."""

    stream: socket.socket
    request: Received
    stopping: Event
    sent: int = 0
    began: float = field(default_factory=time.monotonic)

    def send(self, answer: Answer) -> None:
        status, start, stop, extra = self._range(answer)
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{n}: {v}" for n, v in (*answer.fields, *extra))]
        bodiless = status in {204, 304}
        if answer.framing == "chunked":
            head.append("Transfer-Encoding: chunked")
        elif answer.framing == "close":
            head.append("Connection: close")
        elif not bodiless:
            head.append(f"Content-Length: {stop - start if answer.claim is None else answer.claim}")
        self.stream.sendall("\r\n".join((*head, "", "")).encode("latin-1"))
        if self.request.method != "HEAD" and not bodiless:
            self._body(answer, start, stop)
        if answer.framing == "close":
            if isinstance(self.stream, ssl.SSLSocket):
                self.stream.unwrap()  # without close_notify the end would be a truncation
            raise _CutError

    def _range(self, answer: Answer) -> tuple[int, int, int, tuple[tuple[str, str], ...]]:
        asked = _RANGE.match(self.request.field("range"))
        if not answer.ranges or asked is None or answer.status != 200:
            return answer.status, 0, answer.size, (("Accept-Ranges", "bytes"),) if answer.ranges else ()
        start = int(asked[1])
        stop = min(int(asked[2]) + 1, answer.size) if asked[2] else answer.size
        if start >= answer.size:
            return 416, 0, 0, (("Content-Range", f"bytes */{answer.size}"),)
        return 206, start, stop, (("Content-Range", f"bytes {start}-{stop - 1}/{answer.size}"),)

    def _body(self, answer: Answer, start: int, stop: int) -> None:
        for piece in answer.pieces(start, stop):
            at = 0
            while at < len(piece):
                self._wait(answer)
                step = min(len(piece) - at, *self._limits(answer))
                self._write(piece[at : at + step], answer)
                at += step
        self._wait(answer)
        if answer.framing == "chunked":
            self.stream.sendall(b"0\r\n\r\n")

    def _limits(self, answer: Answer) -> list[int]:
        """How much may be sent before something happens."""
        limits = [1 << 20]
        if answer.gate is not None and self.sent < answer.hold:
            limits.append(answer.hold - self.sent)
        if answer.cut is not None:
            limits.append(answer.cut - self.sent)
        if answer.rate is not None:
            limits.append(max(answer.rate // 20, 1))
        return limits

    def _wait(self, answer: Answer) -> None:
        if answer.cut is not None and self.sent >= answer.cut:
            if answer.reset:
                self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _CutError
        while answer.gate is not None and self.sent >= answer.hold and not answer.gate.wait(0.05):
            if self.stopping.is_set():
                raise _CutError
        if answer.rate is not None:
            ahead = self.began + self.sent / answer.rate - time.monotonic()
            if ahead > 0 and self.stopping.wait(ahead):
                raise _CutError

    def _write(self, data: bytes, answer: Answer) -> None:
        self.stream.sendall(b"%x\r\n%s\r\n" % (len(data), data) if answer.framing == "chunked" else data)
        self.sent += len(data)


def _read(reader: BinaryIO) -> Received | None:
    """The next request, or None at a clean end."""
    line = reader.readline(1 << 16)
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    fields = []
    while (line := reader.readline(1 << 16)) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name.strip(), value.strip()))
    head = Received(method, target, tuple(fields), b"")
    return Received(method, target, tuple(fields), _read_body(reader, head))


def _read_body(reader: BinaryIO, head: Received) -> bytes:
    if head.field("transfer-encoding").lower() != "chunked":
        return reader.read(int(head.field("content-length") or 0))
    body = b""
    while size := int(reader.readline().split(b";")[0], 16):
        body += reader.read(size)
        reader.readline()
    while reader.readline().strip():
        pass
    return body
