"""Warnings about times: what is allowed but will surprise somebody, mostly much later."""

import math
from collections.abc import Iterator, Mapping, Sequence

from regproxy.model.decision import Cached, PolicyRequest, Terms
from regproxy.model.entry import CacheLimits
from regproxy.policy.check import Checked
from regproxy.policy.condition import Condition, Predicate, possible
from regproxy.policy.diagnostic import Diagnostic, note, warning
from regproxy.policy.given import Entry
from regproxy.policy.source import Span
from regproxy.policy.tier import Tier

_ANY_TAG = PolicyRequest(method="GET", authority="", registry="", kind="manifest", path="")


def surprising_times(
    tiers: Sequence[Tier], blocks: Sequence[Checked], defaults: Checked | None, cache: CacheLimits
) -> Iterator[Diagnostic]:
    """RP501, RP503, RP504 and RP505: one finding for each statement that they are about."""
    inherited: Mapping[str, list[Entry]] = defaults.entries if defaults is not None else {}
    own = {block.name: block.entries for block in blocks}
    findings: dict[tuple[str, Span], list[str]] = {}
    for tier in tiers:
        match tier.decision:
            case Cached(terms=terms):
                entries = {**inherited, **own[tier.name]}
                for code, key in _surprises(terms, cache, tags=matches_tags(tier.condition)):
                    span = entries[key][0].span if key in entries else tier.span
                    findings.setdefault((code, span), []).append(tier.name)
    for (code, span), names in findings.items():
        yield _finding(code, span, ", ".join(f"`{name}`" for name in names))


def _surprises(terms: Terms, cache: CacheLimits, *, tags: bool) -> Iterator[tuple[str, str]]:
    """Codes and the directive that each is about."""
    if cache.inactive < terms.lifetime < math.inf:
        yield "RP501", "fresh"
    if math.isinf(terms.lifetime) and tags:
        yield "RP503", "fresh"
    if terms.fresh == 0 and terms.stale_if_error is None and not terms.stale_while_revalidate:
        yield "RP504", "fresh"
    if terms.stale_while_revalidate > 0 and tags:
        yield "RP505", "stale while-revalidate"


def _finding(code: str, span: Span, names: str) -> Diagnostic:
    match code:
        case "RP501":
            sentence = f"tier {names} is fresh for longer than `cache {{ inactive }}` keeps what nobody uses"
            return note(code, span, sentence, help="write a shorter `fresh` or a longer `inactive`")
        case "RP503":
            sentence = f"tier {names} can match tags: one that moves is never noticed"
            why = "asking whether a tag moved is a HEAD, which no registry counts as a pull"
            return warning(code, span, sentence, note=why, help="write `fresh 5m;` and `stale if-error 7d on $outage;`")
        case "RP504":
            sentence = f"tier {names} asks each time and keeps nothing for an outage"
            return warning(code, span, sentence, help="add `stale if-error 7d on $outage;`, or write `pass;`")
        case _:
            return warning(
                code,
                span,
                f"tier {names} can match tags: one rollout may see two digests",
                note="while-revalidate answers the first client with the old digest and the next with the new one",
                help="leave it out for tags: `revalidate head within 2s` bounds the wait instead",
            )


def matches_tags(condition: Condition) -> bool:
    """Whether a manifest asked for by tag may fulfil the condition; True where that is not certain."""
    return possible(condition, _of_a_tag) is not False


def _of_a_tag(predicate: Predicate) -> bool | None:
    """What is certain of a predicate for a manifest that is asked for by some tag."""
    match predicate.attribute:
        case "kind":
            return predicate.holds(_ANY_TAG)
        case "digest":
            return predicate.negated
        case _:
            return None
