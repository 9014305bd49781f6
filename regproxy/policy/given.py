"""Arguments after their types are checked: what the builders match on."""

from dataclasses import dataclass

from regproxy.model.address import Authority, Network
from regproxy.model.decision import Failures
from regproxy.policy.source import Span
from regproxy.policy.syntax import Duration, Frequency, Integer, Percent, Size, Text, Word


@dataclass(frozen=True, slots=True)
class Host:
    """`host[:port]`, with `*.` in front when it stands for one label."""

    host: str
    port: int | None
    wildcard: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`host:port` to dial."""

    authority: Authority
    span: Span


@dataclass(frozen=True, slots=True)
class Cidr:
    """A range of addresses."""

    network: Network
    span: Span


@dataclass(frozen=True, slots=True)
class Failure:
    """One element of an `on` list."""

    failures: Failures
    span: Span


Given = Word | Text | Duration | Size | Percent | Frequency | Integer | Host | Endpoint | Cidr | Failure


@dataclass(frozen=True, slots=True)
class Entry:
    """One checked statement."""

    key: str
    arguments: tuple[Given, ...]
    span: Span
