"""Answers that an edge may repeat by itself: as long as the core said, to whom it said, until it says forget.

Two looks lead to an answer. A request that was parsed is looked up by what it asks. A request whose head is, byte for
byte, one that was answered from here before, on a connection to the same name, is answered before it is parsed.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Audience, Forget, Reply, Stored
from regproxy.model.event import Labels, Outcome
from regproxy.model.message import Head, joined, without
from regproxy.model.message import field as first
from regproxy.proxy.head import rendered, shown

MAX_ANSWERS = 8192
MAX_BYTES = 32 * 1024 * 1024
# A body up to this is kept with its head; larger ones are read from disk each time.
MAX_BODY = 64 * 1024
MAX_HEADS = 4
MAX_HEAD_BYTES = 4096
# The core hears at least so often of what is in use.
MAX_SECONDS = 300.0
# A request with one of these is not answered before it is parsed.
_PARTICULAR = frozenset(
    "range if-range if-match if-none-match if-modified-since if-unmodified-since expect te upgrade "
    "content-length transfer-encoding traceparent".split()
)

Repeatable = Stored | Reply


def place(named: Authority, authority: Authority, server_name: str | None) -> str:
    """What a connection says of each request on it: the name it is to, what that means, the name asked for by SNI."""
    return f"{named} {authority} {server_name!r}"  # a name that is None, and the name "None"


@dataclass(frozen=True, slots=True)
class _Key:
    """What a request asks, and who asks; `client` is empty where the answer is for everyone."""

    authority: Authority
    method: str
    target: str
    accept: str | None
    authorization: str | None
    client: str


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer in bytes, whole but for its age and date, and what the log says of it."""

    before: bytes
    body: bytes
    age: int | None
    status: int
    authority: str
    method: str
    labels: Labels


@dataclass(slots=True, eq=False)
class _Remembered:
    """An answer, from when it is, and until when it may be repeated (monotonic)."""

    key: _Key
    answer: Repeatable
    since: float
    until: float
    ready: Ready | None = None
    heads: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """The bytes of its body that are kept."""
        return len(self.answer.body) if isinstance(self.answer, Reply) else 0


class Memory:
    """Owns what one edge remembers; the least recently used goes first. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._answers: OrderedDict[_Key, _Remembered] = OrderedDict()
        self._heads: dict[tuple[str, bytes], _Remembered] = {}
        self._bytes = 0
        self._second = -1
        self._date = b""
        self.forgets = 0

    def __len__(self) -> int:
        """How many answers are remembered."""
        return len(self._answers)

    # What was asked before.

    def find(self, ask: Ask) -> Repeatable | None:
        """The answer to this request, as old as it is by now."""
        found = self._find(ask)
        if found is None:
            return None
        answer = found.answer
        return replace(answer, head=_aged(answer.head, self._age(found)), labels=_hit(answer.labels))

    def _find(self, ask: Ask) -> _Remembered | None:
        if ask.method not in ("GET", "HEAD") or ask.body is not None:
            return None
        for client in ("", _who(ask)):
            found = self._answers.get(_key(ask, client))
            if found is not None:
                if self._monotonic() < found.until:
                    self._answers.move_to_end(found.key)
                    return found
                self._drop(found)
        return None

    def keep(self, ask: Ask, answer: Answer, forgets: int) -> None:
        """Remember an answer if it may be repeated; `forgets` is what `self.forgets` was when it was asked for."""
        if ask.method not in ("GET", "HEAD") or ask.body is not None or not isinstance(answer, Stored | Reply):
            return
        seconds = min(answer.until - self._clock(), MAX_SECONDS)
        large = isinstance(answer, Reply) and len(answer.body) > MAX_BODY
        # Whatever was forgotten meanwhile may have been this.
        if seconds <= 0 or large or forgets != self.forgets:
            return
        key = _key(ask, "" if answer.audience is Audience.EVERYONE else _who(ask))
        if key in self._answers:
            self._drop(self._answers[key])
        now = self._monotonic()
        found = self._answers[key] = _Remembered(key, answer, now, now + seconds)
        self._bytes += found.size
        while len(self._answers) > MAX_ANSWERS or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._answers.values())))

    def drop(self, ask: Ask) -> None:
        """What is remembered for this request is no longer there."""
        found = self._find(ask)
        if found is not None:
            self._drop(found)

    def forget(self, forget: Forget) -> None:
        """The core says that this no longer holds."""
        self.forgets += 1
        for found in tuple(self._answers.values()):
            same = found.key.authority == forget.authority and found.answer.labels.repository == forget.repository
            if forget.authority is None or same:
                self._drop(found)

    def _drop(self, found: _Remembered) -> None:
        del self._answers[found.key]
        self._bytes -= found.size
        for head in found.heads:
            self._heads.pop(head, None)

    def _age(self, found: _Remembered) -> int:
        return int(self._monotonic() - found.since)

    # What came in the very same bytes before.

    def learn(self, place: str, head: bytes, ask: Ask) -> None:
        """The request in these bytes is this one: answer the next like it at once, if it is a plain one."""
        found = self._find(ask)
        if len(head) > MAX_HEAD_BYTES or found is None or found.key.client:
            return
        answer = found.answer
        if not isinstance(answer, Reply) or answer.head.status != 200 or len(found.heads) >= MAX_HEADS or _odd(ask):
            return
        if (place, head) in self._heads:
            return  # Others asked in the same bytes before this one was answered.
        if found.ready is None:
            found.ready = _ready(ask, answer)
        found.heads.append((place, head))
        self._heads[place, head] = found

    def recall(self, place: str, head: bytes) -> tuple[bytes, Ready] | None:
        """The whole answer to a request in these bytes, if they were learned and it may still be repeated."""
        found = self._heads.get((place, head))
        if found is None or found.ready is None:
            return None
        if self._monotonic() >= found.until:
            self._drop(found)
            return None
        self._answers.move_to_end(found.key)
        ready = found.ready
        age = b"" if ready.age is None else b"Age: %d\r\n" % (ready.age + self._age(found))
        return b"%b%bDate: %b\r\n\r\n%b" % (ready.before, age, self._now(), ready.body), ready

    def _now(self) -> bytes:
        second = int(self._clock())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True).encode()
        return self._date


def _who(ask: Ask) -> str:
    return f"{ask.client} {ask.user}"


def _key(ask: Ask, client: str) -> _Key:
    accept, authorization = joined(ask.fields, "accept"), joined(ask.fields, "authorization")
    return _Key(ask.authority, ask.method, ask.target, accept, authorization, client)


def _odd(ask: Ask) -> bool:
    """Whether the answer depends on more of the request than its key, or the connection ends with it."""
    named = {name.lower() for name, _ in ask.fields}
    return bool(named & _PARTICULAR) or (joined(ask.fields, "connection") or "keep-alive").lower() != "keep-alive"


def _hit(labels: Labels) -> Labels:
    return labels if labels.outcome is Outcome.HIT else replace(labels, outcome=Outcome.HIT)


def _aged(head: Head, seconds: int) -> Head:
    """The head with its Age advanced (RFC 9111 §4.2.3)."""
    age = first(head.fields, "age")
    if not seconds or age is None or not age.isdigit():
        return head
    return replace(head, fields=(*without(head.fields, ["age"]), ("Age", str(int(age) + seconds))))


def _ready(ask: Ask, answer: Reply) -> Ready:
    age = first(answer.head.fields, "age")
    labels = _hit(answer.labels)
    fields = without(shown(answer.head, labels), ["age", "date"])
    if ask.method == "GET" or first(fields, "content-length") is None:
        fields = (*without(fields, ["content-length"]), ("Content-Length", str(len(answer.body))))
    body = answer.body if ask.method == "GET" else b""
    number = int(age) if age is not None and age.isdigit() else None
    name = ask.authority.name
    return Ready(rendered(answer.head, fields), body, number, answer.head.status, name, ask.method, labels)
