"""Exchanges joined to pulls of images."""

from dataclasses import dataclass, field, replace

import pytest

from regproxy.model.event import BodyBegan, ExchangeFinished, Labels, Outcome
from regproxy.model.pull_event import PullFinished
from regproxy.telemetry import pulls as rows
from regproxy.telemetry.pulls import MAX_MANIFESTS, MAX_PULL_SECONDS, QUIET_SECONDS, Pulls

INDEX, IMAGE, LAYER = ("sha256:" + letter * 64 for letter in "abc")


@dataclass
class Told:
    """Pulls on a clock of the test's own."""

    now: float = 1000.0
    pulls: Pulls = field(init=False)

    def __post_init__(self) -> None:
        self.pulls = Pulls(lambda: self.now)

    def manifest(self, reference: str, outcome: Outcome = Outcome.HIT, method: str = "GET", status: int = 200) -> None:
        self.finished("manifest", reference, outcome, method=method, status=status, size=10)

    def blob(self, outcome: Outcome = Outcome.HIT, size: int = 100, *, complete: bool = True) -> None:
        self.finished("blob", LAYER, outcome, size=size, complete=complete)

    def finished(
        self,
        kind: str,
        reference: str,
        outcome: Outcome,
        *,
        method: str = "GET",
        status: int = 200,
        size: int = 0,
        complete: bool = True,
        streamed: bool = False,
    ) -> None:
        labels = Labels(outcome, "hub", kind, "library/redis", reference)
        self.pulls.observe(
            ExchangeFinished("10.0.0.1", "hub.example", method, status, size, 62.5, labels, complete, streamed=streamed)
        )

    def ended(self) -> list[PullFinished]:
        return list(self.pulls.ended())

    def later(self) -> PullFinished:
        self.now += QUIET_SECONDS
        (pull,) = self.ended()
        return pull


def test_head_index_manifest_config_and_layers_of_one_client_are_one_pull() -> None:
    told = Told()
    told.manifest("7.2", Outcome.REVALIDATED, "HEAD")
    told.manifest("7.2", Outcome.REVALIDATED)
    told.manifest(IMAGE, Outcome.MISS)
    told.now += 1.0
    told.blob(Outcome.COLLAPSED)
    told.blob(Outcome.MISS, 1000)
    assert told.ended() == []
    assert told.later() == PullFinished(
        "10.0.0.1", "hub.example", "hub", "library/redis", "7.2", "partial", 120, 1010, 1, 5, 1062.5
    )
    assert told.ended() == []


@pytest.mark.parametrize(
    ("manifest", "layer", "outcome"),
    [
        (Outcome.HIT, Outcome.HIT, "hit"),
        (Outcome.STALE, Outcome.COLLAPSED, "hit"),
        (Outcome.MISS, Outcome.MISS, "miss"),
        (Outcome.HIT, Outcome.MISS, "partial"),
        (Outcome.PASS, Outcome.PASS, "miss"),
    ],
)
def test_where_the_bytes_came_from_is_the_outcome(manifest: Outcome, layer: Outcome, outcome: str) -> None:
    told = Told()
    told.manifest("7.2", manifest)
    told.blob(layer)
    assert told.later().outcome == outcome


def test_a_request_that_failed_fails_the_pull_but_being_told_to_get_a_token_does_not() -> None:
    told = Told()
    told.manifest("7.2", Outcome.LOCAL, status=401)
    told.manifest("7.2")
    assert told.later().outcome == "hit"
    told.manifest("7.2")
    told.blob(complete=False)
    assert told.later().outcome == "failed"
    told.manifest("7.2", Outcome.ERROR, status=502)
    assert told.later().outcome == "failed"


def test_a_head_alone_and_a_layer_alone_are_no_pulls() -> None:
    told = Told()
    told.manifest("7.2", method="HEAD")
    told.now += QUIET_SECONDS
    assert told.ended() == []
    told.blob()
    told.now += QUIET_SECONDS
    assert told.ended() == []


def test_a_layer_that_takes_long_keeps_its_pull_open() -> None:
    told = Told()
    told.manifest("7.2")
    told.pulls.observe(BodyBegan("10.0.0.1", "hub.example", Labels(Outcome.MISS, "hub", "blob", "library/redis")))
    told.now += 20 * QUIET_SECONDS
    assert told.ended() == []
    told.finished("blob", LAYER, Outcome.MISS, size=5, streamed=True)
    assert told.later().requests == 2


def test_a_body_that_never_ends_keeps_it_open_for_an_hour_at_most() -> None:
    told = Told()
    told.manifest("7.2")
    told.pulls.observe(BodyBegan("10.0.0.1", "hub.example", Labels(Outcome.MISS, "hub", "blob", "library/redis")))
    told.now += MAX_PULL_SECONDS
    assert len(told.ended()) == 1


def test_the_same_image_again_is_another_pull_once_layers_were_had() -> None:
    told = Told()
    for _ in range(3):
        told.manifest("7.2")
        told.manifest("7.2")
        told.blob()
    assert [pull.requests for pull in told.ended()] == [3, 3]
    assert told.later().requests == 3


def test_an_image_by_digest_is_named_by_its_first_manifest() -> None:
    told = Told()
    told.manifest(INDEX)
    told.manifest(IMAGE)
    assert told.later().reference == INDEX


def test_pulls_under_way_are_bounded_and_the_first_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_PULLS_UNDER_WAY", 3)
    pulls = Pulls(lambda: 0.0)
    for number in range(5):
        labels = Labels(Outcome.HIT, "hub", "manifest", f"a/{number}", "latest")
        pulls.observe(ExchangeFinished("c", "hub.example", "GET", 200, 1, 1.0, labels))
    assert [pull.repository for pull in pulls.ended()] == ["a/0", "a/1"]
    assert [pull.repository for pull in pulls.ended(all_of_them=True)] == ["a/2", "a/3", "a/4"]


def test_what_one_pull_remembers_is_bounded() -> None:
    told = Told()
    for number in range(2 * MAX_MANIFESTS):
        told.manifest(f"v{number}", Outcome.MISS, status=404)
    (pull,) = told.pulls._pulls.values()
    assert len(pull.got) == MAX_MANIFESTS
    assert told.later().requests == 2 * MAX_MANIFESTS


def test_two_clients_are_two_pulls() -> None:
    told = Told()
    told.manifest("7.2")
    labels = Labels(Outcome.HIT, "hub", "manifest", "library/redis", "7.2")
    event = ExchangeFinished("10.0.0.1", "hub.example", "GET", 200, 1, 1.0, labels)
    told.pulls.observe(replace(event, client="10.0.0.2"))
    told.now += QUIET_SECONDS
    assert [pull.client for pull in told.ended()] == ["10.0.0.1", "10.0.0.2"]
