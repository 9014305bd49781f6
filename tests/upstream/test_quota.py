"""Holds, probes, pulls left and the policy's cap, on a clock of the test's own."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from regproxy.model.account import ANONYMOUS, Account, Credential, Lent, Own
from regproxy.model.event import Event, QuotaObserved, UpstreamThrottled
from regproxy.model.group import ClientGroup
from regproxy.model.login import Password
from regproxy.model.message import Fields, Head, content_length
from regproxy.model.message import field as field_of
from regproxy.model.pull_event import HoldChanged, PullSpent
from regproxy.model.registry import Rate, Reserve
from regproxy.upstream.limited import Limited
from regproxy.upstream.quota import FIRST_HOLD_SECONDS, MAX_KEPT, Permit, Quota
from regproxy.upstream.request import UpstreamRequest
from tests.lab.answers import Answer, abused, pull_limited
from tests.upstream.standin import ask, registry

BLOCK = registry()
CAPPED = replace(BLOCK, pulls=Rate(3, 3600.0))
PULL = ask(BLOCK, "GET", "/v2/a/b/manifests/c")
RESERVED = replace(BLOCK, reserve=Reserve(40, ClientGroup("prod", ())))
HEAD = ask(BLOCK, "HEAD", "/v2/a/b/manifests/c")
BLOB = ask(BLOCK, "GET", "/v2/a/b/blobs/d", purpose="blob")
EVERYTHING = (PULL, HEAD, BLOB)
OTHER = Lent(Credential("basic other", Password("other", "secret")))
NOON = 1_000_080_000.0  # 2001-09-10, midnight
OK, LEFT = Head(200), (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "41;w=21600"))


@dataclass
class Desk:
    """A quota, its time and what it reported."""

    now: float = NOON
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.quota = Quota(lambda: self.now, self.events.append)

    def limit(self, answer: Answer, request: UpstreamRequest = PULL, account: Account | None = ANONYMOUS) -> Limited:
        """Send a request that is answered 429."""
        assert isinstance(answer.body, bytes)
        permit = self.quota.admit(request, account)
        return self.quota.limited(permit, Head(429, answer.fields), answer.body)

    def goes(self, request: UpstreamRequest, account: Account | None = ANONYMOUS) -> bool:
        """Whether a request may be sent; it is given up at once, so that it proves nothing."""
        try:
            self.quota.released(self.quota.admit(request, account))
        except Limited:
            return False
        return True

    def send(self, request: UpstreamRequest, head: Head = OK) -> None:
        """Send a request that is answered so."""
        self.quota.answered(self.quota.admit(request, ANONYMOUS), head)


def retry_after(seconds: str) -> tuple[str, str]:
    return "Retry-After", seconds


def test_a_pull_limit_stops_only_the_pulls_of_its_account() -> None:
    desk = Desk()
    desk.limit(pull_limited())
    assert [desk.goes(request) for request in EVERYTHING] == [False, True, True]
    assert desk.goes(PULL, OTHER)
    assert desk.goes(PULL, None)
    assert desk.events[-2:] == [
        UpstreamThrottled("test", "registry.test", "pull_limit"),
        HoldChanged("test", "anonymous", NOON + FIRST_HOLD_SECONDS),
    ]


def test_the_log_says_whom_the_registry_counts() -> None:
    desk = Desk()
    desk.limit(pull_limited(("Docker-RateLimit-Source", "192.0.2.1")))
    assert UpstreamThrottled("test", "registry.test", "pull_limit", "192.0.2.1") in desk.events


def test_an_abuse_limit_stops_everything_whoever_asks() -> None:
    desk = Desk()
    desk.limit(abused())
    assert not any(desk.goes(request, account) for request in EVERYTHING for account in (ANONYMOUS, OTHER, None))
    other = replace(PULL, authority=replace(PULL.authority, port=5000))
    assert desk.goes(other)
    assert desk.events[-2:] == [
        UpstreamThrottled("test", "registry.test", "abuse"),
        HoldChanged("test", "all", NOON + FIRST_HOLD_SECONDS),
    ]


@pytest.mark.parametrize("limited", [pull_limited, abused])
@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2), ("100", 100), ("99999999", 900), ("0", 1), ("garbage", 60), (None, 60)]
)
def test_a_hold_lasts_as_long_as_was_asked_for(
    limited: Callable[..., Answer], value: str | None, seconds: float
) -> None:
    desk = Desk()
    desk.limit(limited(*([retry_after(value)] if value is not None else [])))
    desk.now += seconds - 0.1
    assert not desk.goes(PULL)
    desk.now += 0.1
    assert desk.goes(PULL)


def test_without_a_word_from_the_registry_each_probe_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    desk = Desk()
    waits = []
    for _ in range(7):
        waits.append(desk.limit(pull_limited()).wait)
        desk.now += waits[-1]
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    desk.send(PULL)
    assert desk.limit(pull_limited()).wait == 60


def test_one_probe_at_a_time_and_its_answer_decides() -> None:
    desk = Desk()
    desk.limit(abused(retry_after("10")))
    desk.now += 10
    probe = desk.quota.admit(HEAD, ANONYMOUS)
    assert not any(desk.goes(request) for request in EVERYTHING)
    desk.quota.released(probe)
    probe = desk.quota.admit(BLOB, ANONYMOUS)
    desk.quota.answered(probe, OK)
    assert [desk.quota.admit(PULL, ANONYMOUS).probes for _ in range(2)] == [{}, {}]


@pytest.mark.parametrize("status", [401, 500, 503])
def test_an_answer_that_says_nothing_about_the_limit_does_not_end_the_hold(status: int) -> None:
    desk = Desk()
    desk.limit(pull_limited(retry_after("10")))
    desk.now += 10
    desk.send(PULL, Head(status))
    assert len(desk.quota.admit(PULL, ANONYMOUS).probes) == 1
    assert not desk.goes(PULL)


def test_a_hundred_pulls_that_were_under_way_begin_one_hold() -> None:
    desk = Desk()
    permits = [desk.quota.admit(PULL, ANONYMOUS) for _ in range(100)]
    answer = pull_limited()
    assert isinstance(answer.body, bytes)
    waits = {desk.quota.limited(permit, Head(429, answer.fields), answer.body).wait for permit in permits[:99]}
    assert waits == {60}
    desk.quota.answered(permits[99], OK)
    assert not desk.goes(PULL)


def test_the_clock_set_back_does_not_hold_for_ever() -> None:
    desk = Desk()
    desk.limit(abused(retry_after("900")))
    desk.now -= 86_400
    assert desk.goes(PULL)


def test_a_clients_own_429_holds_nobody_up_but_as_a_probe_it_prolongs_the_hold() -> None:
    desk = Desk()
    desk.limit(abused(), account=None)
    assert desk.goes(PULL)
    assert desk.events == [UpstreamThrottled("test", "registry.test", "client")]
    desk.limit(abused())
    desk.now += 60
    desk.limit(abused(), account=None)
    assert not desk.goes(PULL)
    desk.now += 119
    assert not desk.goes(PULL, None)
    desk.now += 1
    assert desk.goes(PULL, None)


def test_what_is_left_is_kept_and_told_by_account() -> None:
    desk = Desk()
    desk.send(HEAD, Head(200, LEFT))
    assert desk.events == [QuotaObserved("test", "anonymous", 100, 41, NOON, 21600)]
    desk.quota.answered(desk.quota.admit(PULL, OTHER), Head(200, LEFT))
    assert desk.events[1:] == [
        QuotaObserved("test", "basic other", 100, 41, NOON, 21600),
        PullSpent("test", "basic other"),
    ]
    for own in (None, Own("1", Password("me", "secret"))):
        desk.quota.answered(desk.quota.admit(PULL, own), Head(200, LEFT))
    assert desk.events[3:] == [PullSpent("test", "own")], "what a client's own account has left is its own affair"


def test_what_was_answered_is_spent_and_what_was_refused_or_given_up_is_not() -> None:
    desk = Desk()
    for request, status in ((PULL, 200), (PULL, 404), (PULL, 401), (HEAD, 200), (BLOB, 200)):
        desk.send(request, Head(status))
    desk.goes(PULL)
    assert desk.events == [PullSpent("test", "anonymous")] * 2
    desk.limit(pull_limited())
    assert PullSpent("test", "anonymous") not in desk.events[2:]


def test_a_limit_on_one_callers_own_login_stops_nobody_else() -> None:
    desk = Desk()
    own = Own("1", Password("me", "secret"))
    desk.limit(abused(), account=own)
    assert not desk.goes(PULL, own)
    assert all(desk.goes(request) for request in EVERYTHING)
    assert desk.quota.states() == (), "nor is it of anybody else's concern"
    desk.now += 60
    desk.limit(abused(("Retry-After", "60")))
    desk.now += 60
    desk.limit(abused(("Retry-After", "900")), account=own)
    assert not any(desk.goes(request) for request in EVERYTHING), "it was the probe"


def test_a_hold_is_told_and_so_is_its_end_and_of_a_callers_own_login_neither() -> None:
    desk = Desk()
    desk.limit(pull_limited(), account=Own("1", Password("me", "secret")))
    assert not any(isinstance(event, HoldChanged) for event in desk.events)
    desk.limit(pull_limited())
    desk.now += FIRST_HOLD_SECONDS
    desk.send(PULL)
    holds = [event for event in desk.events if isinstance(event, HoldChanged)]
    assert holds == [HoldChanged("test", "anonymous", NOON + FIRST_HOLD_SECONDS), HoldChanged("test", "anonymous", 0.0)]


def test_no_more_pulls_are_under_way_than_are_left() -> None:
    desk = Desk()
    assert not desk.quota.is_crowded(PULL, ANONYMOUS), "nobody said what is left"
    desk.send(HEAD, Head(200, (LEFT[0], ("ratelimit-remaining", "2;w=21600"))))
    permits = [desk.quota.admit(PULL, ANONYMOUS) for _ in range(2)]
    assert desk.quota.is_crowded(PULL, ANONYMOUS)
    assert not any(
        desk.quota.is_crowded(request, account)
        for request, account in ((HEAD, ANONYMOUS), (BLOB, ANONYMOUS), (PULL, None), (PULL, OTHER))
    )
    desk.quota.answered(permits[0], Head(200, (LEFT[0], ("ratelimit-remaining", "0;w=21600"))))
    assert desk.quota.is_crowded(PULL, ANONYMOUS)
    desk.quota.answered(permits[1], OK)
    assert not desk.quota.is_crowded(PULL, ANONYMOUS), "one may ask whether there are more"
    desk.limit(pull_limited())
    assert not desk.quota.is_crowded(PULL, ANONYMOUS), "refused at once, not queued"


def test_an_answer_that_was_overtaken_gives_nothing_back() -> None:
    desk = Desk()
    first, second, third = (desk.quota.admit(HEAD, ANONYMOUS) for _ in range(3))
    for permit, remaining, known in ((second, 7, 7), (first, 41, 7), (third, 9, 9), (second, 8, 8)):
        counts = (("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", f"{remaining};w=21600"))
        desk.quota.answered(permit, Head(200, counts))
        told = desk.events[-1]
        assert isinstance(told, QuotaObserved)
        assert told.remaining == known


def test_the_policys_cap_counts_pulls_in_a_moving_span() -> None:
    desk = Desk()
    pull, head = replace(PULL, registry=CAPPED), replace(HEAD, registry=CAPPED)
    for _ in range(3):
        desk.send(pull)
        desk.send(head)
        desk.now += 60
    with pytest.raises(Limited, match=r"the policy's limit on pulls from registry\.test \(3 in 1 h\) is reached until"):
        desk.quota.admit(pull, ANONYMOUS)
    assert desk.goes(head)
    assert desk.goes(pull, None), "a client's own account is not ours to save"
    other = replace(pull, authority=replace(pull.authority, port=5000))
    assert desk.goes(other)
    desk.now = NOON + 3600
    assert desk.goes(pull)


@pytest.mark.parametrize("status", [401, 429, None])
def test_a_pull_that_no_registry_counts_is_not_counted_here(status: int | None) -> None:
    desk = Desk()
    pull = replace(PULL, registry=CAPPED)

    def end(permit: Permit) -> None:
        match status:
            case None:
                desk.quota.released(permit)
            case 429:
                desk.quota.limited(permit, Head(429, (retry_after("1"),)), b"")
                desk.now += 1
            case other:
                desk.quota.answered(permit, Head(other))

    for _ in range(5):
        end(desk.quota.admit(pull, ANONYMOUS))


@pytest.mark.parametrize(
    ("answer", "fields", "sentence"),
    [
        (pull_limited(), LEFT, "the pull limit of registry.test (100 in 6 h, account anonymous) is used up; "),
        (abused(), (), "registry.test limits the requests of this proxy (429); "),
    ],
)
def test_the_client_reads_whose_limit_it_is_and_until_when(answer: Answer, fields: Fields, sentence: str) -> None:
    desk = Desk()
    desk.send(HEAD, Head(200, fields))
    desk.limit(answer)
    with pytest.raises(Limited) as caught:
        desk.quota.admit(PULL, ANONYMOUS)
    head, body = caught.value.answer()
    assert (head.status, field_of(head.fields, "retry-after")) == (429, "60")
    assert head.reason == f"regproxy: {sentence}asked again at 00:01:00 UTC"
    assert f'"code": "TOOMANYREQUESTS", "message": "{head.reason}"'.encode() in body
    assert content_length(head.fields) is None


def test_a_client_comes_back_within_a_minute_however_long_the_hold() -> None:
    desk = Desk()
    head, _ = desk.limit(abused(retry_after("900"))).answer()
    assert field_of(head.fields, "retry-after") == "60"
    desk.now += 899.5
    with pytest.raises(Limited) as caught:
        desk.quota.admit(PULL, ANONYMOUS)
    assert field_of(caught.value.answer()[0].fields, "retry-after") == "1"


def test_the_tables_are_bounded() -> None:
    desk = Desk()
    for port in range(1, MAX_KEPT + 50):
        desk.limit(abused(*LEFT), replace(PULL, registry=CAPPED, authority=replace(PULL.authority, port=port)))
    quota = desk.quota
    assert [len(table) for table in (quota._holds, quota._allowances, quota._told_by, quota._ledgers)] == [MAX_KEPT] * 4


def remaining(pulls: int) -> Head:
    return Head(200, (LEFT[0], ("ratelimit-remaining", f"{pulls};w=21600")))


@pytest.mark.parametrize(("pulls", "goes"), [(41, True), (40, False), (0, False)])
def test_those_without_the_reserve_may_pull_while_there_is_more_than_it(pulls: int, goes: bool) -> None:
    desk = Desk()
    pull = replace(PULL, registry=RESERVED, has_reserve=False)
    assert desk.goes(pull), "nobody said what is left"
    desk.send(HEAD, remaining(pulls))
    assert desk.goes(pull) is goes
    own = Own("me", Password("me", "secret"))
    desk.quota.answered(desk.quota.admit(HEAD, own), remaining(pulls))
    assert desk.goes(pull, own), "the caller's own account"
    assert not desk.quota.is_crowded(pull, own)
    assert desk.goes(replace(pull, method="HEAD"))
    assert desk.goes(replace(pull, has_reserve=True))
    desk.now += 21_600
    assert desk.goes(pull), "the window in which they were counted is over"


def test_no_more_pulls_are_under_way_than_the_reserve_leaves() -> None:
    desk = Desk()
    pull = replace(PULL, registry=RESERVED, has_reserve=False)
    desk.send(HEAD, remaining(42))
    permits = [desk.quota.admit(pull, ANONYMOUS) for _ in range(2)]
    assert desk.quota.is_crowded(pull, ANONYMOUS)
    assert not desk.quota.is_crowded(replace(pull, has_reserve=True), ANONYMOUS)
    for permit in permits:
        desk.quota.released(permit)


def test_the_cap_says_when_others_than_the_group_may_pull_again() -> None:
    desk = Desk()
    block = replace(CAPPED, reserve=Reserve(2, ClientGroup("prod", ())))
    pull = replace(PULL, registry=block, has_reserve=False)
    assert desk.goes(replace(pull, has_reserve=True))
    for _ in range(2):
        desk.send(replace(pull, has_reserve=True))
        desk.now += 60
    with pytest.raises(
        Limited, match=r"3 in 1 h\), of which 2 are kept for client-group prod, is reached until"
    ) as held:
        desk.quota.admit(pull, ANONYMOUS)
    assert held.value.wait == 3600 - 60, "both pulls must be an hour old"
    desk.send(replace(pull, has_reserve=True))
