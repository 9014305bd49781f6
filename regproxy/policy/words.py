"""Values in the words of the language: what is written here is read back to the same value."""

import math
import re
from collections.abc import Iterator
from typing import assert_never

from regproxy.model.decision import FailureClass, Failures, Origin, Terms
from regproxy.model.registry import Rate
from regproxy.policy.condition import Anything, Condition, Either, Every, Not, Predicate
from regproxy.policy.literals import BYTES, MAX_DIGITS, MILLISECONDS
from regproxy.policy.operand import Exactly, FromNetwork, InGroup, Matching, OnHost, OnHostLike, Operand

ALL_5XX = frozenset(range(500, 600))
# Values of these attributes are names of the language or of the policy, written without quotes.
_NAMES = frozenset({"kind", "method", "registry"})
_NO_WEEKS = [(unit, length) for unit, length in MILLISECONDS.items() if unit != "w"]
_UNITS = ("TiB", "GiB", "MiB", "KiB", "B")


def quoted(text: str, *, pattern: bool = False) -> str:
    """A text in quotes: single ones for a `pattern`, and where that saves escapes."""
    if "'" not in text and (pattern or re.search(r'["\\]', text)):
        return f"'{text}'"
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def duration(seconds: float) -> str:
    """A time, `forever` where it is infinite; exact to the millisecond."""
    if math.isinf(seconds):
        return "forever"
    parts = []
    left = round(seconds * 1000)
    for unit, length in _NO_WEEKS:
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def clock(minutes: int) -> str:
    """A time of day, in minutes after midnight."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def rate(limit: Rate) -> str:
    """So many in so long a time."""
    return f"{limit.count}/{duration(limit.seconds)}"


def size(count: int) -> str:
    """A number of bytes in the largest unit that divides it."""
    for unit in _UNITS:
        number, rest = divmod(count, BYTES[unit])
        if rest == 0 and len(str(number)) <= MAX_DIGITS:
            return f"{number}{unit}"
    # More digits than a number may have: fractions of a large unit are exact, since it is a power of two.
    return f"{count / BYTES[_UNITS[0]]!r}{_UNITS[0]}"


def percentage(share: float) -> str:
    """A share of one, with as few digits as read back to it."""
    texts = [f"{share * 100:.{digits}f}" for digits in range(MAX_DIGITS + 1)]
    return next((text for text in texts if float(text) / 100 == share), texts[-1]) + "%"


def fresh_in_words(fresh: float | Origin) -> str:
    """For how long something is fresh."""
    return "origin" if isinstance(fresh, Origin) else duration(fresh)


def failures_in_words(failures: Failures) -> str:
    """A set of failures, without the brackets around it."""
    words = ["error"] if failures.classes == frozenset(FailureClass) else sorted(str(one) for one in failures.classes)
    single = failures.statuses - ALL_5XX if failures.statuses >= ALL_5XX else failures.statuses
    words += [str(status) for status in sorted(single)]
    return ", ".join([*words, "5xx"] if failures.statuses >= ALL_5XX else words)


def terms_in_words(terms: Terms) -> str:
    """What a tier grants, in a line."""
    return "; ".join(f"{key} {words}" for key, words in statements(terms))


def statements(terms: Terms) -> Iterator[tuple[str, str]]:
    """What a tier grants, statement by statement: the directive and its arguments."""
    yield "fresh", fresh_in_words(terms.fresh)
    if terms.stale_if_error is not None:
        on = failures_in_words(terms.stale_if_error.on)
        yield "stale if-error", f"{duration(terms.stale_if_error.duration)} on [{on}]"
    if terms.stale_while_revalidate:
        yield "stale while-revalidate", duration(terms.stale_while_revalidate)
    within = terms.revalidate.within
    yield "revalidate", terms.revalidate.method + (f" within {duration(within)}" if within is not None else "")
    if terms.negative is not None:
        statuses = " ".join(str(status) for status in sorted(terms.negative.statuses))
        yield "negative", f"{statuses} for {duration(terms.negative.duration)}"
    if not math.isinf(terms.max_object):
        yield "max-object", size(int(terms.max_object))
    if terms.keep != Terms().keep:
        yield "keep", terms.keep
    if terms.prefetch:
        yield "prefetch", "on"
    yield from _reading(terms)


def _reading(terms: Terms) -> Iterator[tuple[str, str]]:
    """Who may read, where that is not what it is everywhere."""
    plain = Terms()
    if terms.readers != plain.readers:
        yield "readers", terms.readers
    if terms.recheck != plain.recheck:
        yield "recheck", duration(terms.recheck)
    if terms.stale_auth != plain.stale_auth:
        yield "stale auth", duration(terms.stale_auth)


def condition_in_words(condition: Condition) -> str:
    """A `match` expression, with the parentheses it needs and no others."""
    match condition:
        case Anything():
            return "any"
        case Predicate():
            return _test(condition)
        case Not(inner):
            return f"not {_enclosed(inner, Every, Either)}"
        case Every(parts):
            return " and ".join(_enclosed(part, Every, Either) for part in parts)
        case Either(parts):
            return " or ".join(_enclosed(part, Either) for part in parts)
        case _:
            assert_never(condition)


def _enclosed(condition: Condition, *looser: type[Condition]) -> str:
    words = condition_in_words(condition)
    return f"({words})" if isinstance(condition, looser) else words


def _test(test: Predicate) -> str:
    texts = [_operand(operand) for operand in test.operands]
    if test.operator == "is":
        return f"{test.attribute} {'is not' if test.negated else 'is'} {texts[0]}"
    operator = f"not {test.operator}" if test.negated else test.operator
    listed = f"[{', '.join(texts)}]" if test.operator == "in" or len(texts) > 1 else texts[0]
    return f"{test.attribute} {operator} {listed}"


def _operand(operand: Operand) -> str:
    match operand:
        case Exactly(attribute, text):
            return text if attribute in _NAMES else quoted(text)
        case Matching(pattern=pattern):
            return quoted(pattern.text, pattern=pattern.regex == pattern.text)
        case OnHost(host, ""):
            return quoted(host)
        case OnHost(host, port):
            return quoted(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        case OnHostLike(pattern, port):
            return quoted(f"{pattern.text}:{port}")
        case FromNetwork(network):
            return quoted(str(network))
        case InGroup(group):
            return group.name
        case _:
            assert_never(operand)
