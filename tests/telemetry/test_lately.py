"""How registries answered lately."""

import pytest

from regproxy.model.event import UpstreamFinished
from regproxy.telemetry.lately import MAX_ANSWERS, MAX_REGISTRIES, Failure, Lately, Latency


def answered(milliseconds: float, registry: str = "quay", purpose: str = "blob") -> UpstreamFinished:
    return UpstreamFinished(registry, purpose, "GET", 200, 1, 1.0, first_byte=milliseconds)


def failed(reason: str) -> UpstreamFinished:
    return UpstreamFinished("quay", "manifest", "GET", 0, 0, 1.0, reason)


@pytest.mark.parametrize(
    ("took", "latency"),
    [
        ([], None),
        ([7.0], Latency(1, 7.0, 7.0)),
        ([4.0, 1.0, 3.0, 2.0], Latency(4, 2.0, 3.0)),
        ([float(number) for number in range(1, 101)], Latency(100, 50.0, 95.0)),
        ([9000.0] + [1.0] * MAX_ANSWERS, Latency(MAX_ANSWERS, 1.0, 1.0)),  # what is long past counts no more
    ],
)
def test_the_last_answers_say_how_quick_a_registry_is(took: list[float], latency: Latency | None) -> None:
    lately = Lately(lambda: 7.0)
    for milliseconds in took:
        lately.finished(answered(milliseconds))
    lately.finished(answered(9999.0, purpose="token"))
    lately.finished(failed("timeout"))
    assert lately.latency("quay") == latency
    assert lately.latency("ghcr") is None


def test_the_last_failure_is_known_when_all_is_well_again() -> None:
    lately, now = Lately(lambda: now[0]), [1.0]
    assert lately.failure("quay") is None
    for now[0], event in ((2.0, failed("dns")), (3.0, failed("timeout")), (4.0, answered(1.0))):
        lately.finished(event)
    assert lately.failure("quay") == Failure("timeout", 3.0)


def test_only_so_many_registries_are_known() -> None:
    lately = Lately(lambda: 7.0)
    for number in range(MAX_REGISTRIES):
        lately.finished(answered(1.0, f"r{number}"))
    lately.finished(answered(1.0, "r0"))
    lately.finished(answered(1.0, "one more"))
    assert [lately.latency(name) is not None for name in ("r0", "r1", "one more")] == [True, False, True]
