"""Who is ready for a change of the CA."""

from typing import Literal

from regproxy.model.ca_event import CaReloaded, CertificatesFetched
from regproxy.model.event import (
    ConnectFinished,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    Outcome,
)
from regproxy.telemetry.trust import MAX_CLIENTS, MAX_NAMED, TrustTally


def connected(client: str) -> Event:
    return ConnectFinished(client, "quay.io", "intercept", 200)


def asked(client: str) -> Event:
    return ExchangeFinished(client, "quay.io", "GET", 200, 1, 1.0, Labels(Outcome.HIT))


def refused(client: str, cause: Literal["unknown_ca", "closed"] = "unknown_ca") -> Event:
    return HandshakeFailed(client, "quay.io", cause)


def reloaded(result: Literal["success", "failure"]) -> Event:
    return CaReloaded(result, "file", "AA", 1.0)


def tally(*events: Event) -> dict[str, object]:
    found = TrustTally(lambda: 5.0)
    for event in events:
        found.observe(event)
    return found.counts("AA")


def test_a_client_accepts_once_it_has_asked_something_on_a_connection_of_its_own() -> None:
    counts = tally(connected("a"), asked("a"), connected("b"), CertificatesFetched("a"), CertificatesFetched("c"))
    assert (counts["accepting"], counts["fetched"], counts["refusing"]) == (1, 2, 0)
    assert (counts["unfetched"], counts["unfetched_named"]) == (0, [])
    assert (counts["fingerprint"], counts["since"]) == ("AA", 5.0)


def test_who_pulls_and_did_not_fetch_is_named() -> None:
    assert tally(connected("a"), asked("a"))["unfetched_named"] == ["a"]


def test_the_last_handshake_counts() -> None:
    assert tally(connected("a"), refused("a"))["refusing_named"] == ["a"]
    assert tally(connected("a"), asked("a"), connected("a"), refused("a"))["accepting"] == 0
    mended = tally(connected("a"), refused("a"), connected("a"), asked("a"))
    assert (mended["accepting"], mended["refusing"]) == (1, 0)
    assert tally(connected("a"), refused("a", "closed"))["refusing"] == 0


def test_another_ca_begins_anew_and_connections_from_before_say_nothing_of_it() -> None:
    before = (connected("a"), asked("a"), CertificatesFetched("a"), connected("b"))
    counts = tally(*before, reloaded("success"), asked("a"), asked("b"))
    assert (counts["accepting"], counts["fetched"]) == (0, 0)
    assert tally(*before, reloaded("failure"))["accepting"] == 1


def test_a_flood_of_addresses_is_bounded() -> None:
    events = [event for number in range(MAX_CLIENTS + 10) for event in (connected(f"{number}"), refused(f"{number}"))]
    counts = tally(*events)
    assert counts["refusing"] == MAX_CLIENTS
    assert isinstance(counts["refusing_named"], list)
    assert len(counts["refusing_named"]) == MAX_NAMED
