"""What would happen now, in words: how the client is answered and why, and how long what is stored will do."""

import math
from dataclasses import asdict, dataclass, replace
from typing import assert_never

from regproxy.freshness.lifetime import Absent, Known, Validated
from regproxy.freshness.verdict import ABSENCES
from regproxy.model.connect import Intercept
from regproxy.model.decision import Cached, Denied, FailureClass, Passed, Terms
from regproxy.model.event import Outcome
from regproxy.model.registry import ClientAuth
from regproxy.policy.policy import UNMATCHED
from regproxy.policy.scenario import Circumstances, Gone, Stored, Working
from regproxy.policy.words import duration, failures_in_words
from regproxy.rehearsal.explain import Explanation, connect_in_words, decision_in_words, row
from regproxy.rehearsal.happening import NOW, Happening

ORIGIN_DECIDES = "`fresh origin`: the answer's own fields say whether it is stored, and for how long"


@dataclass(frozen=True, slots=True)
class Outlook:
    """The answer of now, and what of it lasts; `fresh` and `stale` are empty where nothing is stored.

    `readers` says who is served what is stored, empty where nothing ever is.
    Where the origin decides, what is stored and what the registry does say nothing, and `given` is empty.
    """

    given: str
    answer: str
    why: str
    fresh: str = ""
    stale: str = ""
    readers: str = ""


def outlook(explanation: Explanation, happening: Happening, given: Circumstances) -> Outlook | None:
    """What would happen now; None where the client does not talk to us."""
    if not isinstance(happening.connect, Intercept):
        return None
    if happening.outcome is None:
        return Outlook("", "the origin decides", ORIGIN_DECIDES)
    told = Outlook(
        _given(given),
        f"{happening.outcome}: the client gets {happening.status}",
        _why(explanation, happening, given),
    )
    decision = happening.decision
    if not isinstance(decision, Cached) or happening.plan is None:
        return told
    told = replace(told, readers=_readers(decision.terms, happening.client_auth))
    if (age := _age_after(happening)) is None:
        return told
    return replace(told, fresh=_fresh(decision.terms, age), stale=_stale(decision.terms, age))


def render_outlook(told: Outlook) -> str:
    """The outlook as people read it, below the explanation."""
    lasting = [("fresh", told.fresh), ("stale", told.stale), ("readers", told.readers)]
    rows = [("given", told.given), ("now", told.answer), ("why", told.why), *lasting]
    return "\n".join(row(label, text) for label, text in rows if text) + "\n"


def as_object(explanation: Explanation, happening: Happening, told: Outlook | None) -> dict[str, object]:
    """An explanation and what would happen now, for JSON."""
    now = {"outcome": happening.outcome, "status": happening.status, "asked": happening.asked}
    rehearsed = explanation.rehearsed
    return {
        "authority": str(rehearsed.authority),
        "target": rehearsed.target,
        "method": rehearsed.method,
        "request": asdict(rehearsed.request) if rehearsed.request is not None else None,
        "connect": connect_in_words(explanation.connect),
        "tiers": [
            {
                "tier": trial.tier,
                "place": trial.place,
                "matched": trial.matched,
                "tests": [{"test": written, "passed": passed} for written, passed in trial.tests],
            }
            for trial in explanation.trials
        ],
        "decision": decision_in_words(explanation.decision) if explanation.decision is not None else None,
        "note": rehearsed.note,
        "now": {**now, **asdict(told)} if told is not None else None,
    }


def _given(given: Circumstances) -> str:
    return f"{_stored(given.stored)}; the registry {_upstream(given.upstream)}"


def _stored(stored: Stored | Gone | None) -> str:
    match stored:
        case None:
            return "nothing is stored"
        case Stored(age):
            return f"stored, validated {duration(age)} ago"
        case Gone(age):
            return f"gone, as the registry said {duration(age)} ago"
        case _:
            assert_never(stored)


def _upstream(upstream: Working | FailureClass | int) -> str:
    match upstream:
        case Working.SAME:
            return "works"
        case Working.MOVED:
            return "has another answer under this name"
        case Working.SLOW:
            return "is slow"
        case FailureClass():
            return f"fails ({upstream})"
        case status:
            return f"answers {status}"


def _why(explanation: Explanation, happening: Happening, given: Circumstances) -> str:
    decision = happening.decision
    match decision:
        case None:
            return explanation.rehearsed.note
        case Denied(tier=tier, text=text):
            return f'tier {tier} denies it: "{text}"'
        case _ if happening.outcome is Outcome.LOCAL:
            return "it is refused; where its registry says `push allow`, a push is let through"
        case Passed() | Cached() if happening.outcome is Outcome.ERROR and happening.plan is None:
            return f"it is passed on, and the registry {_upstream(given.upstream)}"
        case Passed(tier=tier):
            reason = "no tier matches it" if decision is UNMATCHED else f"tier {tier} says `pass`"
            return f"not cached: {reason}, so it is passed on and nothing is stored"
        case Cached() if happening.plan is None:
            return "not cached: answers of this kind are never stored, whatever the tier grants"
        case Cached(terms=terms):
            return _why_cached(terms, happening, given)
        case _:
            assert_never(decision)


def _why_cached(terms: Terms, happening: Happening, given: Circumstances) -> str:
    stale = _over(terms, happening.known)
    asked = f"asked by {' and '.join(happening.asked)}"
    match happening.outcome:
        case Outcome.HIT:
            return "it is still fresh, so nobody is asked"
        case Outcome.SWR:
            return f"{stale}; the registry is asked meanwhile, by `stale while-revalidate`"
        case Outcome.NEGATIVE:
            return "that it does not exist is remembered"
        case Outcome.REVALIDATED:
            return f"{stale}; {asked}, the registry says that it still holds"
        case Outcome.EXPIRED:
            return f"{stale}; {asked}, the registry gives another answer"
        case Outcome.STALE if given.upstream is Working.SLOW:
            return f"{stale}; the registry takes too long (`revalidate … within`), and asking goes on behind"
        case Outcome.STALE:
            return f"{stale}; the registry {_upstream(given.upstream)}, and `stale if-error` covers that"
        case Outcome.MISS if happening.status == 200:
            return f"nothing is stored, so the registry is {asked}"
        case _:
            return f"the registry {_upstream(given.upstream)}; {_why_not_stale(terms, happening, given)}"


def _over(terms: Terms, known: Known | None) -> str:
    """For how long what is stored has not been good enough by itself; empty where nothing is."""
    match known:
        case None | Absent():
            return ""
        case Validated(validated_at, gone_at):
            stale = f"stale for {duration(NOW - validated_at - terms.lifetime)}"
            return stale if gone_at is None else f"gone for {duration(NOW - gone_at)}"
        case _:
            assert_never(known)


def _why_not_stale(terms: Terms, happening: Happening, given: Circumstances) -> str:
    """Why nothing stands in for a failed upstream: the conditions of the verdict, one by one."""
    known, rule, upstream = happening.known, terms.stale_if_error, given.upstream
    if not isinstance(known, Validated):
        return "nothing is stored that could stand in"
    if rule is None:
        return "the tier has no `stale if-error`, so nothing stands in"
    listed = upstream in rule.on.classes if isinstance(upstream, FailureClass) else upstream in rule.on.statuses
    if not listed:
        return f"`stale if-error` lists [{failures_in_words(rule.on)}] and not that, so nothing stands in"
    if known.gone_at is not None and upstream not in ABSENCES:
        return "an outage does not bring back what is gone, so nothing stands in"
    over = NOW - known.validated_at - terms.lifetime - rule.duration
    return f"`stale if-error {duration(rule.duration)}` ended {duration(over)} ago, so nothing stands in"


def _readers(terms: Terms, client_auth: ClientAuth) -> str:
    """Which grant a caller needs to be served what is stored."""
    if terms.readers == "anyone":
        return "anyone, whoever it was stored for"
    outage = f", and in an outage {duration(terms.stale_auth)} longer" if terms.stale_auth else ""
    public = f"anyone where the repository is public, as is asked every {duration(terms.recheck)}"
    login = f"whoever's own login read the repository in the last {duration(terms.recheck)}{outage}"
    match client_auth:
        case "required":
            return login
        case "ours":
            return f"{public}; clients' own logins are ignored"
        case "preferred":
            return f"{public}, else {login}"
        case _:
            assert_never(client_auth)


def _age_after(happening: Happening) -> float | None:
    """How long ago what is stored was validated once the client is answered; None where nothing is stored."""
    match happening.outcome:
        case Outcome.MISS | Outcome.EXPIRED | Outcome.REVALIDATED if happening.status == 200:
            return 0.0
        case Outcome.MISS if happening.status in ABSENCES:
            return None
        case _:
            known = happening.known
            return NOW - known.validated_at if isinstance(known, Validated) and known.gone_at is None else None


def _fresh(terms: Terms, age: float) -> str:
    if terms.lifetime == math.inf:
        return "for ever, without asking"
    if age >= terms.lifetime:
        return f"no longer: `fresh {duration(terms.lifetime)}` ended {duration(age - terms.lifetime)} ago"
    return f"for {duration(terms.lifetime - age)}; then the registry is asked whether it still holds"


def _stale(terms: Terms, age: float) -> str:
    rule = terms.stale_if_error
    if terms.lifetime == math.inf:
        return ""
    if rule is None:
        return "never: the tier has no `stale if-error`"
    on = f"when the registry fails with [{failures_in_words(rule.on)}]"
    if rule.duration == math.inf:
        return f"for ever, {on}"
    left = terms.lifetime + rule.duration - age
    if left <= 0:
        return f"no longer: `stale if-error {duration(rule.duration)}` ended {duration(-left)} ago"
    span = f"{duration(rule.duration)} after that" if age < terms.lifetime else f"{duration(left)} more"
    return f"for {span}, {on}"
