"""Sightings: each client's own, the last first, in bounded memory."""

from regproxy.model.event import ConnectFinished, EntryStored, Event, ExchangeFinished, HandshakeFailed, Labels, Outcome
from regproxy.model.sighting import Sighting
from regproxy.telemetry.sightings import MAX_CLIENTS, MAX_SIGHTINGS, Sightings


def answered(client: str, authority: str = "quay.io", status: int = 200) -> ExchangeFinished:
    return ExchangeFinished(client, authority, "GET", status, 0, 1.0, Labels(Outcome.HIT))


def seen(*events: Event) -> Sightings:
    ticks = iter(range(1, 1_000_000))
    noted = Sightings(lambda: float(next(ticks)))
    for event in events:
        noted.observe(event)
    return noted


def test_what_happened_to_a_client_is_counted_by_registry_the_last_first() -> None:
    noted = seen(
        ConnectFinished("a", "quay.io", "intercept", 200),
        answered("a"),
        HandshakeFailed("b", "quay.io", "unknown_ca"),
        answered("a", status=401),
        ConnectFinished("a", "10.0.0.1:5000", "refuse", 403, "why"),
        HandshakeFailed("a", "ghcr.io", "timeout"),
        EntryStored("blob", 1),
    )
    assert noted.of("a") == (
        Sighting("ghcr.io", "broken", 1, 6.0, "timeout"),
        Sighting("10.0.0.1:5000", "refused", 1, 5.0, "why"),
        Sighting("quay.io", "answered", 2, 4.0, "401"),
        Sighting("quay.io", "intercepted", 1, 1.0),
    )
    assert noted.of("b") == (Sighting("quay.io", "untrusted", 1, 3.0, "unknown_ca"),)
    assert noted.of("c") == ()


def test_a_client_that_asks_for_everything_and_a_crowd_of_clients_are_bounded() -> None:
    noted = seen(*(answered("a", f"r{number}.example") for number in range(MAX_SIGHTINGS + 5)))
    kept = [one.authority for one in noted.of("a")]
    assert len(kept) == MAX_SIGHTINGS
    assert kept[0] == f"r{MAX_SIGHTINGS + 4}.example"
    for number in range(MAX_CLIENTS):
        noted.observe(answered(f"client {number}"))
    assert noted.of("a") == ()
    assert noted.of("client 0") != ()


def test_what_happens_again_is_kept_for_longer_and_so_is_who_comes_again() -> None:
    noted = seen(answered("a"), *(answered("a", f"r{number}.example") for number in range(MAX_SIGHTINGS - 1)))
    for event in (answered("a"), answered("a", "one-more.example")):
        noted.observe(event)
    assert [(one.authority, one.count) for one in noted.of("a")][:2] == [("one-more.example", 1), ("quay.io", 2)]
    for number in range(MAX_CLIENTS - 1):
        noted.observe(answered(f"client {number}"))
    for client in ("a", "client"):
        noted.observe(answered(client))
    assert noted.of("a") != ()
    assert noted.of("client 0") == ()
