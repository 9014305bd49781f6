"""Events counted: labels from closed sets, every value there from the first scrape."""

import re

import pytest

from regproxy.model.event import (
    ConnectFinished,
    EntryEvicted,
    EntryStored,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    Outcome,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
)
from regproxy.telemetry.metrics import Metrics

LABELS = Labels(Outcome.HIT, "quay", "manifest", "a/b", "latest", "tags")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 1.5, LABELS),
            'regproxy_cache_results_total{kind="manifest",outcome="hit",registry="quay"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 1.5, LABELS),
            'regproxy_requests_total{registry="quay",status="200"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "x.example", "GET", 200, 7, 1.5, Labels(Outcome.PASS, "stranger", "odd")),
            'regproxy_cache_results_total{kind="other",outcome="pass",registry="other"} 1.0',
        ),
        (
            UpstreamFinished("quay", "blob", "GET", 200, 9, 1.0),
            'regproxy_upstream_requests_total{method="GET",purpose="blob",registry="quay",status="200"} 1.0',
        ),
        (
            UpstreamFinished("quay", "blob", "BREW", 0, 0, 1.0, "dns"),
            'regproxy_upstream_failures_total{failure="dns",registry="quay"} 1.0',
        ),
        (ConnectFinished("c", "a", "tunnel", 200), 'regproxy_connects_total{decision="tunnel"} 1.0'),
        (TunnelClosed("c", "a", 3, 4, 1.0), 'regproxy_tunnel_bytes_total{direction="received"} 4.0'),
        (
            HandshakeFailed("c", "a", "unknown_ca"),
            'regproxy_client_tls_handshake_failures_total{cause="unknown_ca"} 1.0',
        ),
        (EntryStored("blob", 5), 'regproxy_cache_stored_bytes_total{kind="blob"} 5.0'),
        (EntryEvicted(5, "size"), 'regproxy_cache_evicted_bytes_total{cause="size"} 5.0'),
        (StoreFailed("write", "no space"), 'regproxy_store_failures_total{operation="write"} 1.0'),
    ],
)
def test_an_event_is_counted(event: Event, line: str) -> None:
    metrics = Metrics(["quay"], "0")
    metrics.observe(event)
    assert line in metrics.render().decode().splitlines()


def test_cache_results_exist_before_the_first_request() -> None:
    text = Metrics(["quay"], "0").render().decode()
    for outcome in Outcome:
        assert f'regproxy_cache_results_total{{kind="blob",outcome="{outcome}",registry="quay"}} 0.0' in text


def test_strangers_add_no_series() -> None:
    metrics = Metrics(["quay"], "0")
    for number in range(1000):
        stranger = Labels(Outcome.MISS, f"r{number}", f"k{number}", f"repo{number}", f"tag{number}", f"tier{number}")
        metrics.observe(ExchangeFinished(f"10.0.0.{number}", f"h{number}", f"M{number}", 200, 1, 1, stranger))
        metrics.observe(UpstreamFinished(f"r{number}", "blob", f"M{number}", 200, 1, 1))
    series = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    assert len(series) < 200


def test_gauges_are_read_at_each_scrape() -> None:
    metrics, values = Metrics([], "0"), iter([1.0, 2.0])
    metrics.gauge("cache_entries", "x", lambda: next(values))
    found = [re.search(r"^regproxy_cache_entries (\S+)$", metrics.render().decode(), re.MULTILINE) for _ in range(2)]
    assert [match.group(1) if match else "" for match in found] == ["1.0", "2.0"]
