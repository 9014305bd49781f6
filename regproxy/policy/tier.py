"""Tiers: inherited terms, what excludes what, and the decision that each tier compiles to."""

from collections.abc import Mapping
from dataclasses import dataclass

from regproxy.model.decision import (
    Cached,
    Decision,
    Denied,
    Failures,
    Keep,
    Negative,
    Origin,
    Passed,
    Readers,
    Revalidation,
    StaleIfError,
    Terms,
)
from regproxy.policy.check import Checked
from regproxy.policy.condition import Condition
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.expression import Names, resolve_match
from regproxy.policy.given import Entry, Failure
from regproxy.policy.origin import misplaced_origin
from regproxy.policy.source import Span
from regproxy.policy.syntax import Duration, Integer, Size, Text, Word


@dataclass(frozen=True, slots=True)
class Tier:
    """One rule of the policy: when `condition` holds, `decision` is the answer; `span` is its name in the policy."""

    name: str
    span: Span
    condition: Condition
    decision: Decision


def build_tiers(
    blocks: list[Checked], defaults: Checked | None, names: Names, found: list[Diagnostic]
) -> tuple[Tier, ...]:
    """All tiers in order; what a tier does not say it inherits from `defaults`, directive by directive."""
    inherited = defaults.entries if defaults is not None else {}
    tiers = []
    for block in blocks:
        if block.match is None:
            continue
        condition = resolve_match(block.match.expression, names, found)
        _exclusions(block, found)
        tier = Tier(block.name, block.span, condition, _decision(block, inherited))
        found += misplaced_origin(tier.decision, condition, block, inherited)
        tiers.append(tier)
    return tuple(tiers)


def _exclusions(block: Checked, found: list[Diagnostic]) -> None:
    """`pass` and `deny` stand alone."""
    kept = [key for key in ("pass", "deny") if key in block.entries]
    if not kept:
        return
    for key in block.entries:
        if key != kept[0]:
            entry = block.entries[key][0]
            sentence = f"`{key}` has no meaning beside `{kept[0]}`"
            found.append(error("RP110", entry.span, sentence, help=f"remove it, or remove `{kept[0]}`"))


def _decision(block: Checked, inherited: Mapping[str, list[Entry]]) -> Decision:
    deny = block.one("deny")
    if deny is not None:
        match deny.arguments:
            case (Integer(status), Text(text)):
                return Denied(block.name, status, text)
    if block.one("pass") is not None:
        return Passed(block.name)
    own = {key: entries[0] for key, entries in {**inherited, **block.entries}.items() if entries}
    return Cached(block.name, terms(own))


def terms(entries: Mapping[str, Entry]) -> Terms:
    """The terms that the entries of a tier grant."""
    plain = Terms()
    fresh = _fresh(entries.get("fresh"))
    revalidate, negative = _revalidation(entries.get("revalidate")), _negative(entries.get("negative"))
    if isinstance(fresh, Origin):
        # What is inherited gives way: an answer is asked for by its validators, and an absence is an answer too.
        revalidate, negative = Revalidation("etag", revalidate.within), None
    return Terms(
        fresh=fresh,
        stale_if_error=_stale_if_error(entries.get("stale if-error")),
        stale_while_revalidate=_seconds(entries.get("stale while-revalidate"), plain.stale_while_revalidate),
        revalidate=revalidate,
        negative=negative,
        max_object=_size(entries.get("max-object"), plain.max_object),
        readers=_readers(entries.get("readers")),
        recheck=_seconds(entries.get("recheck"), plain.recheck),
        stale_auth=_seconds(entries.get("stale auth"), plain.stale_auth),
        keep=_keep(entries.get("keep")),
        prefetch=_is_on(entries.get("prefetch")),
    )


def _fresh(entry: Entry | None) -> float | Origin:
    match entry.arguments if entry is not None else ():
        case (Word("origin"),):
            return Origin()
        case _:
            return _seconds(entry, Terms().lifetime)


def _readers(entry: Entry | None) -> Readers:
    match entry.arguments if entry is not None else ():
        case (Word("anyone"),):
            return "anyone"
        case _:
            return "granted"


def _keep(entry: Entry | None) -> Keep:
    match entry.arguments if entry is not None else ():
        case (Word(("briefly" | "pinned") as keep),):
            return keep
        case _:
            return "normal"


def _is_on(entry: Entry | None) -> bool:
    match entry.arguments if entry is not None else ():
        case (Word("on"),):
            return True
        case _:
            return False


def _size(entry: Entry | None, default: float) -> float:
    return next((given.count for given in (entry.arguments if entry else ()) if isinstance(given, Size)), default)


def _seconds(entry: Entry | None, default: float) -> float:
    return _duration(entry) if entry is not None else default


def _duration(entry: Entry) -> float:
    """The one duration of an entry; the schema gives each of these directives one."""
    return next(given.seconds for given in entry.arguments if isinstance(given, Duration))


def _stale_if_error(entry: Entry | None) -> StaleIfError | None:
    if entry is None:
        return None
    listed = [given.failures for given in entry.arguments if isinstance(given, Failure)]
    return StaleIfError(
        _duration(entry),
        Failures(
            frozenset(one for failures in listed for one in failures.classes),
            frozenset(one for failures in listed for one in failures.statuses),
        ),
    )


def _revalidation(entry: Entry | None) -> Revalidation:
    match entry.arguments if entry is not None else ():
        case (Word(("head" | "etag" | "full") as method),):
            return Revalidation(method)
        case (Word(("head" | "etag" | "full") as method), Duration(within)):
            return Revalidation(method, within)
        case _:
            return Revalidation()


def _negative(entry: Entry | None) -> Negative | None:
    if entry is None:
        return None
    statuses = frozenset(given.number for given in entry.arguments if isinstance(given, Integer))
    return Negative(statuses, _duration(entry))
