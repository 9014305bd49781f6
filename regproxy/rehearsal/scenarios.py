"""Runs the tests of a policy by the server's own code, and says of each expectation that fails what came instead."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from regproxy.model.connect import ConnectDecision, Intercept, Refuse, Tunnel
from regproxy.model.decision import Cached, Decision, Denied, Passed
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.policy import Policy
from regproxy.policy.scenario import Aspect, Expectation, Scenario
from regproxy.policy.source import Span
from regproxy.policy.words import duration, fresh_in_words
from regproxy.rehearsal.happening import Happening, happen
from regproxy.rehearsal.reference import rehearse_target


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met: its place, and `expected tier releases, got unpinned`."""

    span: Span
    sentence: str


@dataclass(frozen=True, slots=True)
class Result:
    """One test that was run."""

    scenario: Scenario
    happening: Happening
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether all expectations were met."""
        return not self.failures

    @property
    def tier(self) -> str:
        """The tier that decided, empty where none was asked."""
        return self.happening.decision.tier if self.happening.decision is not None else ""


def run(policy: Policy, scenario: Scenario) -> Result:
    """Run one test."""
    rehearsed = rehearse_target(
        policy, scenario.authority, scenario.target, scenario.method, scenario.client, scenario.user
    )
    happening = happen(policy, rehearsed, scenario.given)
    failures = tuple(_judged(scenario.expectations, happening, rehearsed.note))
    return Result(scenario, happening, failures)


def failures(policy: Policy) -> tuple[Diagnostic, ...]:
    """RP701: the failed expectations of all tests of a policy; with one of them it must not be used."""
    return tuple(
        error(
            "RP701",
            failure.span,
            f"the test `{result.scenario.name}` fails: {failure.sentence}",
            help="mend the policy or the test; `regproxy policy explain` shows why",
        )
        for result in (run(policy, scenario) for scenario in policy.tests)
        for failure in result.failures
    )


def _judged(expectations: Iterable[Expectation], happening: Happening, note: str) -> Iterator[Failure]:
    for expectation in expectations:
        wanted, got = _wanted(expectation), _found(expectation.aspect, happening)
        if wanted != got:
            what = wanted if expectation.aspect is Aspect.PASS else f"{expectation.aspect} {wanted}"
            nothing = f"none: {note}" if note else _no_answer(happening)
            yield Failure(expectation.span, f"expected {what}, got {got or nothing}")


def _no_answer(happening: Happening) -> str:
    return "what the origin decides" if isinstance(happening.connect, Intercept) else "no answer of ours"


def _wanted(expectation: Expectation) -> str:
    """What is wanted, as `_found` says it."""
    match expectation.wanted:
        case None:
            return str(expectation.aspect)
        case float(seconds):
            return duration(seconds)
        case wanted:
            return str(wanted)


def _found(aspect: Aspect, happening: Happening) -> str:
    """What came of the request, in the words of the language; empty where there is nothing of the kind."""
    match aspect:
        case Aspect.TIER:
            return happening.decision.tier if happening.decision is not None else ""
        case Aspect.OUTCOME:
            return str(happening.outcome or "")
        case Aspect.STATUS:
            return str(happening.status or "")
        case Aspect.CONNECT:
            return _connect(happening.connect)
        case Aspect.FRESH | Aspect.PASS | Aspect.DENY:
            return _decided(aspect, happening.decision)
        case _:
            assert_never(aspect)


def _connect(decision: ConnectDecision) -> str:
    match decision:
        case Intercept():
            return "intercept"
        case Tunnel():
            return "tunnel"
        case Refuse():
            return "refuse"
        case _:
            assert_never(decision)


def _decided(aspect: Aspect, decision: Decision | None) -> str:
    match decision:
        case None:
            return ""
        case Passed():
            return "pass"
        case Denied(status=status):
            return str(status) if aspect is Aspect.DENY else f"deny {status}"
        case Cached(terms=terms):
            fresh = fresh_in_words(terms.fresh)
            return fresh if aspect is Aspect.FRESH else f"fresh {fresh}"
        case _:
            assert_never(decision)
