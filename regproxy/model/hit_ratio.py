"""How much of what clients asked for the cache answered."""

from collections.abc import Mapping

from regproxy.model.event import Outcome

_FROM_CACHE = frozenset({
    Outcome.HIT, Outcome.STALE, Outcome.SWR, Outcome.REVALIDATED, Outcome.NEGATIVE, Outcome.COLLAPSED,
})  # fmt: skip
_NOT_ASKED = frozenset({Outcome.LOCAL, Outcome.DENIED})


def asked_and_kept(requests: Mapping[str, float]) -> tuple[float, float]:
    """Of requests by outcome: those for what registries have, and those of them that the cache answered."""
    counts = {Outcome(name): count for name, count in requests.items()}
    asked = sum(count for outcome, count in counts.items() if outcome not in _NOT_ASKED)
    return asked, sum(count for outcome, count in counts.items() if outcome in _FROM_CACHE)
