"""Why a request is decided as it is: every tier that was tried, the test on which each failed, and the decision."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.connect import ConnectDecision, Intercept, Refuse, Tunnel
from regproxy.model.decision import Cached, Decision, Denied, Passed, PolicyRequest
from regproxy.policy.condition import Anything, Condition, Either, Every, Not, Predicate, holds
from regproxy.policy.policy import UNMATCHED, Policy
from regproxy.policy.words import terms_in_words
from regproxy.rehearsal.reference import Rehearsed

WIDTH = 100
INDENT = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """One tier that was tried; `tests` are its tests with their results, as far as they matter."""

    tier: str
    place: str
    matched: bool
    tests: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer; without a `decision` no tier was asked."""

    rehearsed: Rehearsed
    connect: ConnectDecision
    trials: tuple[Trial, ...]
    decision: Decision | None


def explain(policy: Policy, rehearsed: Rehearsed) -> Explanation:
    """Explain one request by the code that serves it."""
    connect = policy.on_connect(rehearsed.authority, rehearsed.client, rehearsed.user)
    request = rehearsed.request
    if request is None or not isinstance(connect, Intercept):
        return Explanation(rehearsed, connect, (), None)
    return Explanation(rehearsed, connect, tuple(_trials(policy, request)), policy.on_request(request))


def _trials(policy: Policy, request: PolicyRequest) -> Iterator[Trial]:
    for tier in policy.tiers:
        matched = holds(tier.condition, request)
        place = f"{tier.span.source.name}:{tier.span.line}"
        yield Trial(tier.name, place, matched, tuple(_deciding(tier.condition, request, matched)))
        if matched:
            return


def _deciding(condition: Condition, request: PolicyRequest, wanted: bool) -> Iterator[tuple[str, bool]]:
    """The tests that made the condition what it is: those of a part that alone would not have are left out."""
    match condition:
        case Anything():
            yield "any", True
        case Predicate(written=written):
            yield written, holds(condition, request)
        case Not(inner):
            yield from _deciding(inner, request, not wanted)
        case Every(parts) | Either(parts):
            for part in parts:
                if holds(part, request) is wanted:
                    yield from _deciding(part, request, wanted)
        case _:
            assert_never(condition)


def render(explanation: Explanation) -> str:
    """The explanation as people read it."""
    rehearsed = explanation.rehearsed
    rows = [f"request   {rehearsed.method} https://{rehearsed.authority.name}{rehearsed.target}"]
    request = rehearsed.request
    if request is not None:
        seen = {
            "kind": request.kind,
            "registry": request.registry,
            "repo": request.repository,
            "tag": request.tag,
            "digest": request.digest,
            "client": request.client,
            "user": request.user,
        }
        rows.append(row("", "  ".join(f"{name}={value}" for name, value in seen.items() if value)))
    rows.append(row("connect", connect_in_words(explanation.connect)))
    width = max((len(trial.tier) for trial in explanation.trials), default=0)
    for trial in explanation.trials:
        mark = "->" if trial.matched else "  "
        tests = ", ".join(f"{'yes' if passed else 'no'}: {written}" for written, passed in trial.tests)
        rows.append(row(f"       {mark}", f"{trial.tier:<{width}}  {trial.place}  {tests}"))
    if explanation.decision is None:
        note = rehearsed.note or "no tier is asked"
        rows.append(row("decision", note))
    else:
        rows.append(row("decision", decision_in_words(explanation.decision)))
    return "\n".join(rows) + "\n"


def row(label: str, text: str) -> str:
    """A labelled row, wrapped to the width of a terminal; what is longer than a line stays whole."""
    lines = textwrap.wrap(text, WIDTH - INDENT, break_long_words=False, break_on_hyphens=False)
    return f"{label:<{INDENT}}" + f"\n{' ' * INDENT}".join(lines)


def connect_in_words(decision: ConnectDecision) -> str:
    """What a CONNECT leads to, in a line."""
    match decision:
        case Intercept(authority, registry, _):
            return f"intercept as {authority.name} (registry {registry})"
        case Tunnel(named=named, parent=parent):
            why = "named in a registry block" if named else "allowed by the tunnel rules"
            return f"tunnel ({why}){' through a proxy' if parent else ''}"
        case Refuse(status, reason):
            return f"refuse {status}: {reason}"
        case _:
            assert_never(decision)


def decision_in_words(decision: Decision) -> str:
    """A decision in a line."""
    match decision:
        case Cached(tier, terms):
            return f"tier {tier}: {terms_in_words(terms)}"
        case Passed(tier) if decision is UNMATCHED:
            return f"{tier}: no tier matches, so pass"
        case Passed(tier):
            return f"tier {tier}: pass"
        case Denied(tier, status, text):
            return f"tier {tier}: deny {status} {text}"
        case _:
            assert_never(decision)
