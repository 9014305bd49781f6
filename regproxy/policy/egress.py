"""The way out: the proxy that a block names, the secret that its URL may be, and how long we wait."""

from collections.abc import Iterable

from regproxy.model.egress import Timeouts
from regproxy.model.registry import ParentProxy
from regproxy.model.secret import Origin
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error, warning
from regproxy.policy.given import Endpoint, Entry, Given
from regproxy.policy.include import Files
from regproxy.policy.secret_types import proxy_authority
from regproxy.policy.syntax import Duration, Integer, Text


def timeouts(checked: Checked) -> Timeouts:
    """The bounds on waiting that a registry block sets."""
    blocks = checked.inner("upstream")
    return Timeouts(
        seconds(blocks, "connect-timeout"),
        seconds(blocks, "first-byte-timeout"),
        seconds(blocks, "idle-timeout"),
    )


def count(checked: Checked, key: str) -> int | None:
    """The number that a directive sets, such as `retries`."""
    numbers = _arguments(checked.inner("upstream"), key)
    return next((given.number for given in numbers if isinstance(given, Integer)), None)


def seconds(blocks: Iterable[Checked], key: str) -> float | None:
    """The time that a directive of these blocks sets, such as `idle-timeout`."""
    return next((given.seconds for given in _arguments(blocks, key) if isinstance(given, Duration)), None)


def _arguments(blocks: Iterable[Checked], key: str) -> tuple[Given, ...]:
    return tuple(given for block in blocks for entry in block.all(key) for given in entry.arguments)


def parent_proxy(blocks: Iterable[Checked], files: Files, found: list[Diagnostic]) -> ParentProxy | None:
    """The proxy that `upstream` or `tunnel` blocks name; one that is named in two ways is an error."""
    entries = [entry for block in blocks for key in _WAYS for entry in block.all(key)]
    if len(entries) > 1:
        last = max(entries, key=lambda entry: entry.span.start)
        note = f"first on line {min(entries, key=lambda entry: entry.span.start).span.line}"
        found.append(error("RP106", last.span, "the proxy is named twice", note=note, help="keep one"))
    return _read(entries[0], files, found) if len(entries) == 1 else None


_WAYS = ("proxy", "proxy file", "proxy env")


def _read(entry: Entry, files: Files, found: list[Diagnostic]) -> ParentProxy | None:
    match entry.key, entry.arguments:
        case _, (Endpoint(authority),):
            return ParentProxy(authority)
        case "proxy file", (Text(path),):
            return _secret(Origin("file", path), entry, files, found)
        case _, (Text(name),):
            return _secret(Origin("env", name), entry, files, found)
        case _:
            return None


def _secret(origin: Origin, entry: Entry, files: Files, found: list[Diagnostic]) -> ParentProxy | None:
    try:
        revealed = files.secret(origin)
        authority = proxy_authority(revealed.secret.reveal())
    except ValueError as wrong:
        found.append(error("RP302", entry.span, str(wrong)))
        return None
    if revealed.exposed:
        sentence = f"{origin.name} can be read by every user of the machine"
        found.append(warning("RP303", entry.span, sentence, help=f"chmod o-r {origin.name}"))
    return ParentProxy(authority, revealed.secret)
