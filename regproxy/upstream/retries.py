"""A second try where nothing was sent, within a budget: retries must not multiply the load on what is failing."""

from collections.abc import Callable

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.event import Event
from regproxy.model.pull_event import UpstreamRetried
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest

RETRIES = 2
SHARE_OF_REQUESTS = 0.1
FIRST_BUDGET, MAX_BUDGET = 3.0, 10.0
DELAY_SECONDS = 0.1
MAX_BUDGETS = 1024
# No byte of a request goes out before the name is known and the connection is there.
_NOTHING_SENT = frozenset({FailureClass.DNS, FailureClass.CONNECT})


class Retries:
    """Owns the budgets: each request to an authority earns a tenth of a retry; `chance` is a number below 1."""

    def __init__(self, chance: Callable[[], float], report: Callable[[Event], None]) -> None:
        self._chance = chance
        self._report = report
        self._budgets: dict[Authority, float] = {}

    def earn(self, authority: Authority) -> None:
        """One more request."""
        budget = self._budgets.pop(authority, FIRST_BUDGET)
        while len(self._budgets) >= MAX_BUDGETS:
            del self._budgets[next(iter(self._budgets))]
        self._budgets[authority] = min(budget + SHARE_OF_REQUESTS, MAX_BUDGET)

    def delay(self, request: UpstreamRequest, error: UpstreamFailed, retried: int) -> float | None:
        """Seconds until the next try after `retried` of them, paid from the budget; None: there is none."""
        most = RETRIES if request.registry.retries is None else request.registry.retries
        streamed = request.body is not None and not isinstance(request.body, bytes)
        if streamed or error.ours or error.failure not in _NOTHING_SENT or retried >= most:
            return None
        budget = self._budgets.get(request.authority, 0.0)
        if budget < 1.0:
            return None
        self._budgets[request.authority] = budget - 1.0
        self._report(UpstreamRetried(request.registry.name, error.failure))
        return self._chance() * DELAY_SECONDS * 2.0**retried
