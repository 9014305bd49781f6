"""Breakers and retry budgets, on a clock of the test's own."""

from dataclasses import dataclass, field, replace

import pytest

from regproxy.model.decision import FailureClass
from regproxy.model.event import BreakerChanged, Event
from regproxy.upstream.breaker import FAILURES_TO_OPEN, FIRST_OPEN_SECONDS, MAX_BREAKERS, Breakers
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.request import UpstreamRequest
from regproxy.upstream.retries import MAX_BUDGETS, Retries
from tests.upstream.standin import ask, registry

ASK = ask(registry())
REFUSED = UpstreamFailed(FailureClass.CONNECT, "registry.test: connection refused")


@dataclass
class Desk:
    """Breakers, their time and what they reported."""

    now: float = 1_000_000.0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breakers = Breakers(lambda: self.now, self.events.append)

    def fail(self, error: UpstreamFailed = REFUSED, request: UpstreamRequest = ASK) -> None:
        self.breakers.failed(request, error, probe=self.breakers.admit(request))

    def is_open(self) -> bool:
        try:
            self.breakers.released(ASK, probe=self.breakers.admit(ASK))
        except UpstreamFailed:
            return True
        return False


@pytest.mark.parametrize("failure", FAILURES_TO_OPEN)
def test_failures_in_a_row_open_it_and_an_answer_in_between_does_not(failure: FailureClass) -> None:
    desk = Desk()
    error = UpstreamFailed(failure, "registry.test: so")
    for _ in range(FAILURES_TO_OPEN[failure] - 1):
        desk.fail(error)
    desk.breakers.answered(ASK)
    for _ in range(FAILURES_TO_OPEN[failure]):
        assert not desk.is_open()
        desk.fail(error)
    assert desk.is_open()
    assert desk.events == [BreakerChanged("test", "registry.test", is_open=True, cause="registry.test: so")]


@pytest.mark.parametrize(
    "error",
    [
        UpstreamFailed(FailureClass.CREDENTIAL, "no"),
        UpstreamFailed(FailureClass.CONNECT, "too many requests are under way", ours=True),
    ],
)
def test_what_is_no_sign_of_a_dead_upstream_does_not_open_it(error: UpstreamFailed) -> None:
    desk = Desk()
    for _ in range(20):
        desk.fail(error)
    assert not desk.is_open()


def test_while_it_is_open_requests_fail_at_once_with_the_last_cause() -> None:
    desk = Desk()
    for _ in range(5):
        desk.fail()
    with pytest.raises(UpstreamFailed, match=r"connection refused; .* asked again at 13:46:45 UTC") as caught:
        desk.breakers.admit(ASK)
    assert (caught.value.failure, caught.value.ours) == (FailureClass.CONNECT, True)
    other = replace(ASK, authority=replace(ASK.authority, host="auth.test"))
    assert desk.breakers.admit(other) is False


def test_one_probe_closes_it_or_doubles_the_wait() -> None:
    desk = Desk()
    for _ in range(5):
        desk.fail()
    for seconds in (5, 10, 20, 40, 60, 60):
        desk.now += seconds - 0.1
        assert desk.is_open()
        desk.now += 0.1
        assert desk.breakers.admit(ASK) is True
        assert desk.is_open(), "the probe is on its way"
        desk.breakers.failed(ASK, REFUSED, probe=True)
    desk.now += 60
    assert desk.breakers.admit(ASK) is True
    desk.breakers.answered(ASK)
    assert not desk.is_open()
    assert [event.is_open for event in desk.events if isinstance(event, BreakerChanged)] == [True, False]


def test_failures_of_requests_that_were_under_way_do_not_prolong_it() -> None:
    desk = Desk()
    for _ in range(100):
        desk.breakers.failed(ASK, REFUSED, probe=False)
    desk.now += 5
    assert not desk.is_open()


def test_the_clock_set_back_does_not_keep_it_open() -> None:
    desk = Desk()
    for _ in range(5):
        desk.fail()
    desk.now -= 86_400
    assert not desk.is_open()


def test_the_number_of_breakers_and_budgets_is_bounded_and_a_dropped_one_counts_as_closed() -> None:
    desk = Desk()
    retries = Retries(lambda: 0.0, lambda _: None)
    for port in range(1, MAX_BREAKERS + 10):
        request = replace(ASK, authority=replace(ASK.authority, port=port))
        retries.earn(request.authority)
        for _ in range(5):
            desk.fail(request=request)
    assert (len(desk.breakers._breakers), len(retries._budgets)) == (MAX_BREAKERS, MAX_BUDGETS)
    assert sum(1 if event.is_open else -1 for event in desk.events if isinstance(event, BreakerChanged)) == MAX_BREAKERS


def test_retries_are_a_tenth_of_the_requests_in_the_long_run() -> None:
    retries = Retries(lambda: 0.5, lambda _: None)
    given = 0
    for _ in range(1000):
        retries.earn(ASK.authority)
        given += retries.delay(ASK, REFUSED, 0) is not None
    assert 100 <= given <= 104


@pytest.mark.parametrize(
    ("error", "retried", "delay"),
    [
        (REFUSED, 0, 0.05),
        (REFUSED, 1, 0.1),
        (REFUSED, 2, None),
        (UpstreamFailed(FailureClass.DNS, "no such host"), 0, 0.05),
        (UpstreamFailed(FailureClass.CONNECT, "forbidden", ours=True), 0, None),
        (UpstreamFailed(FailureClass.TLS, "untrusted"), 0, None),
        (UpstreamFailed(FailureClass.TIMEOUT, "late"), 0, None),
        (UpstreamFailed(FailureClass.RESET, "gone"), 0, None),
    ],
)
def test_only_what_sent_nothing_is_tried_again_and_twice_at_most(
    error: UpstreamFailed, retried: int, delay: float | None
) -> None:
    retries = Retries(lambda: 0.5, lambda _: None)
    retries.earn(ASK.authority)
    assert retries.delay(ASK, error, retried) == delay


def test_a_blocked_authority_is_not_asked_until_its_time_or_the_operators_word() -> None:
    desk = Desk()
    authority = ASK.authority
    desk.breakers.block(authority, desk.now + 60)
    assert desk.is_open()
    assert [state.blocked_until for state in desk.breakers.states()] == [desk.now + 60]
    desk.now += 60
    assert not desk.is_open()
    assert desk.breakers.states() == ()
    desk.breakers.block(authority, desk.now + 60)
    assert desk.breakers.unblock(authority)
    assert not desk.is_open()
    assert not desk.breakers.unblock(authority)


def test_the_operators_word_closes_what_failed_in_a_row() -> None:
    desk = Desk()
    for _ in range(FAILURES_TO_OPEN[FailureClass.CONNECT]):
        desk.fail()
    [state] = desk.breakers.states()
    assert (state.cause, state.open_until) == (REFUSED.detail, desk.now + FIRST_OPEN_SECONDS)
    assert desk.breakers.unblock(ASK.authority)
    assert not desk.is_open()
    assert desk.events[-1] == BreakerChanged("test", "registry.test", is_open=False)
