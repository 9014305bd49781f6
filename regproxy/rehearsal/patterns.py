"""What can be proved about single patterns: that nothing can match one, or that two are the same."""

from collections.abc import Iterator
from typing import assert_never

from regproxy.policy.condition import Predicate, predicates
from regproxy.policy.diagnostic import Diagnostic, note, warning
from regproxy.policy.operand import Exactly, FromNetwork, InGroup, Matching, OnHost, OnHostLike, Operand
from regproxy.policy.source import Span
from regproxy.policy.tier import Tier
from regproxy.rehearsal.region import Region
from regproxy.rehearsal.shapes import SHAPES
from regproxy.rehearsal.space import Space

_MAY_HOLD = {
    "host": "only the hosts of registry blocks reach the tiers, aliases under the name of their host",
    "registry": "only registries that are intercepted reach the tiers",
    "repo": "a repository is lower-case letters and digits in parts, joined by `.`, `_`, `-` and `/`",
    "tag": "a tag is letters, digits, `.`, `_` and `-`, at most 128 characters",
    "digest": "a digest is like `sha256:` and 64 hexadecimal digits",
    "ref": "a reference is a tag, or a digest like `sha256:` and 64 hexadecimal digits",
    "path": "a path begins with `/`, and under /v2/ it is one of the OCI specification",
    "client": "an IPv4 address that comes mapped into IPv6 is judged as IPv4",
}


def idle_patterns(space: Space) -> Iterator[Diagnostic]:
    """RP208: what an attribute is compared with that it can never be."""
    for _, predicate, operand, place in _operands(space):
        if predicate.attribute in _MAY_HOLD and not any(_regions(space, predicate.attribute, operand)):
            has = f"{_named(predicate.attribute)} {_tested(operand)} {place.text}"
            sentence = f"no request that reaches the tiers has a {has}"
            yield warning("RP208", place, sentence, note=_MAY_HOLD[predicate.attribute])


def equal_patterns(space: Space) -> Iterator[Diagnostic]:
    """RP211: a pattern that matches just what an earlier one matches, written otherwise."""
    seen: dict[object, tuple[Tier, Span, str]] = {}
    for tier, predicate, operand, place in _operands(space):
        if not isinstance(operand, Matching):
            continue
        regions = _regions(space, predicate.attribute, operand)
        first, written, regex = seen.setdefault((predicate.attribute, regions), (tier, place, operand.pattern.regex))
        if regex != operand.pattern.regex and any(regions):
            sentence = f"{place.text} matches the same as {written.text} in tier `{first.name}`"
            yield note("RP211", place, sentence, note=f"no {_named(predicate.attribute)} tells them apart")


def _operands(space: Space) -> Iterator[tuple[Tier, Predicate, Operand, Span]]:
    """Every operand of the tiers, and where it is written."""
    for tier in space.policies[0].tiers:
        for predicate in predicates(tier.condition):
            for operand, place in zip(predicate.operands, predicate.places, strict=True):
                yield tier, predicate, operand, place


def _regions(space: Space, attribute: str, operand: Operand) -> tuple[Region, ...]:
    """What one operand admits, of each shape."""
    alone = Predicate(attribute, "is", negated=False, operands=(operand,), written="")
    return tuple(space.region(alone, shape) for shape in SHAPES)


def _named(attribute: str) -> str:
    return {"repo": "repository", "ref": "reference"}.get(attribute, attribute)


def _tested(operand: Operand) -> str:
    match operand:
        case Exactly() | OnHost():
            return "called"
        case Matching() | OnHostLike():
            return "matched by"
        case FromNetwork() | InGroup():
            return "in"
        case _:
            assert_never(operand)
