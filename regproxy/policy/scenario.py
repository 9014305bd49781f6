"""Tests of a policy as values: one request, what it meets, and what must come of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.oci import Kind, Resource, classify
from regproxy.policy.check import Checked
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.diagnostic import Diagnostic, error, nearest
from regproxy.policy.given import Entry, Given
from regproxy.policy.reference import read_reference
from regproxy.policy.source import Span
from regproxy.policy.syntax import Duration, Integer, Text, Word

UNMATCHED_TIER = "unmatched"


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer is stored that was last validated `age` seconds ago."""

    age: float


@dataclass(frozen=True, slots=True)
class Gone:
    """The registry said `age` seconds ago that the name is not there any more."""

    age: float


class Working(StrEnum):
    """What a registry that works has: the same as we, something else under this name, or an answer that comes late."""

    SAME = "same"
    MOVED = "moved"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a request meets; `upstream` is a status where the registry answers one that is no success."""

    stored: Stored | Gone | None = None
    upstream: Working | FailureClass | int = Working.SAME
    quota_exhausted: bool = False


class Aspect(StrEnum):
    """What a test may expect something of; also the word after `expect`."""

    TIER = "tier"
    OUTCOME = "outcome"
    STATUS = "status"
    FRESH = "fresh"
    PASS = "pass"  # noqa: S105 -- a word, not a password
    DENY = "deny"
    CONNECT = "connect"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One `expect`: a word, a status or seconds; nothing for `pass`."""

    aspect: Aspect
    wanted: str | int | float | None
    span: Span


@dataclass(frozen=True, slots=True)
class Scenario:
    """One `test`; `span` is its name in the policy."""

    name: str
    span: Span
    authority: Authority
    target: str
    method: str
    client: str
    user: str
    given: Circumstances
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class TierNames:
    """The tiers that a test may name; `complete` is False when one of them was lost to a mistake."""

    names: frozenset[str]
    complete: bool


def build_scenarios(
    blocks: Iterable[Checked], table: ConnectTable, tiers: TierNames, found: list[Diagnostic]
) -> tuple[Scenario, ...]:
    """All tests that could be read; what is wrong with the others is reported."""
    return tuple(scenario for block in blocks if (scenario := _scenario(block, table, tiers, found)) is not None)


def _scenario(block: Checked, table: ConnectTable, tiers: TierNames, found: list[Diagnostic]) -> Scenario | None:
    expectations = tuple(sorted(_expectations(block, tiers, found), key=lambda one: one.span.start))
    given = Circumstances(
        _stored(block.one("given stored"), found),
        _upstream(block.one("given upstream")),
        block.one("given quota") is not None,
    )
    if not block.complete:
        return None
    if not expectations:
        found.append(error("RP107", block.span, "the test expects nothing", help="add `expect tier NAME;`"))
    request = block.one("request")
    match request.arguments if request is not None else ():
        case (Word(method), Text(text, place), *sender):
            client = next((address.text for address in sender if isinstance(address, Text)), "")
        case _:
            hint = 'add `request GET "docker.io/library/redis:7";`'
            found.append(error("RP107", block.span, "the test has no `request`", help=hint))
            return None
    try:
        authority, target = read_reference(table, text)
    except ValueError as wrong:
        hint = 'like "docker.io/library/redis:7" or "https://quay.io/v2/a/b/tags/list"'
        found.append(error("RP112", place, str(wrong), help=hint))
        return None
    stored = block.one("given stored")
    if stored is not None and isinstance(given.stored, Gone) and _is_list(target):
        sentence = "`given stored gone` has no meaning for a list: that it is not there is not remembered"
        found.append(error("RP110", stored.span, sentence, help="write `given stored nothing;`"))
    user = _user(block.one("given user"))
    return Scenario(block.name, block.span, authority, target, method, client, user, given, expectations)


def _is_list(target: str) -> bool:
    resource = classify(target)
    return isinstance(resource, Resource) and resource.kind in (Kind.TAGS, Kind.REFERRERS, Kind.CATALOG)


def _stored(entry: Entry | None, found: list[Diagnostic]) -> Stored | Gone | None:
    match entry.arguments if entry is not None else ():
        case (Word("age"), Duration(seconds)):
            return Stored(seconds)
        case (Word("gone"), Duration(seconds)):
            return Gone(seconds)
        case (Word("age" | "gone" as word, span),):
            sentence = f"`given stored {word}` needs a duration such as `2h`"
            found.append(error("RP108", span, sentence, help=f"write `given stored {word} 2h;`"))
        case (Word("nothing"), Duration(_, span)):
            found.append(error("RP108", span, "`given stored nothing` takes no duration", help="remove it"))
        case _:
            pass
    return None


def _user(entry: Entry | None) -> str:
    given = entry.arguments if entry is not None else ()
    return next((one.text for one in given if isinstance(one, Text)), "")


def _upstream(entry: Entry | None) -> Working | FailureClass | int:
    match entry.arguments if entry is not None else ():
        case (Integer(status),):
            return status
        case (Word(("same" | "moved" | "slow") as word),):
            return Working(word)
        case (Word(word),):
            return FailureClass(word)
        case _:
            return Working.SAME


def _expectations(block: Checked, tiers: TierNames, found: list[Diagnostic]) -> Iterator[Expectation]:
    for aspect in Aspect:
        for entry in block.all(f"expect {aspect}"):
            wanted = _wanted(entry.arguments)
            if aspect is Aspect.TIER and tiers.complete and wanted not in tiers.names | {UNMATCHED_TIER}:
                place = entry.arguments[0].span
                hint = nearest(str(wanted), tiers.names)
                found.append(error("RP105", place, f"no tier is named `{wanted}`", help=hint))
            yield Expectation(aspect, wanted, entry.span)


def _wanted(arguments: tuple[Given, ...]) -> str | int | float | None:
    match arguments:
        case (Word(word),):
            return word
        case (Integer(number),):
            return number
        case (Duration(seconds),):
            return seconds
        case _:
            return None
