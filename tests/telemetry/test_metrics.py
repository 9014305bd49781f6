"""Events counted: labels from closed sets, every value there from the first scrape."""

import re

import pytest

from regproxy.model.event import (
    BreakerChanged,
    ConnectFinished,
    DigestMismatched,
    EntryEvicted,
    EntryStored,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    Outcome,
    PolicyReloaded,
    PolicyStarted,
    QuotaObserved,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.telemetry.metrics import MAX_REGISTRIES, Metrics

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
        (
            UpstreamThrottled("quay", "quay.io", "abuse"),
            'regproxy_upstream_throttled_total{reason="abuse",registry="quay"} 1.0',
        ),
        (
            QuotaObserved("quay", "anonymous", 100, 41, 7.0),
            'regproxy_registry_pulls_remaining{account="anonymous",registry="quay"} 41.0',
        ),
        (
            QuotaObserved("quay", "anonymous", 100, 41, 7.0),
            'regproxy_registry_pulls_limit{account="anonymous",registry="quay"} 100.0',
        ),
        (
            QuotaObserved("stranger", "anonymous", 100, 41, 7.0),
            'regproxy_registry_pulls_observed_timestamp_seconds{account="anonymous",registry="other"} 7.0',
        ),
        (
            BreakerChanged("quay", "quay.io", is_open=True, cause="refused"),
            'regproxy_upstream_breaker_open{registry="quay"} 1.0',
        ),
        (ConnectFinished("c", "a", "tunnel", 200), 'regproxy_connects_total{decision="tunnel"} 1.0'),
        (TunnelClosed("c", "a", 3, 4, 1.0), 'regproxy_tunnel_bytes_total{direction="received"} 4.0'),
        (
            HandshakeFailed("c", "a", "unknown_ca"),
            'regproxy_client_tls_handshake_failures_total{cause="unknown_ca"} 1.0',
        ),
        (EntryStored("blob", 5), 'regproxy_cache_stored_bytes_total{kind="blob"} 5.0'),
        (EntryEvicted(5, "size"), 'regproxy_cache_evicted_bytes_total{cause="size"} 5.0'),
        (DigestMismatched("quay.io", "blob", "sha256:0"), 'regproxy_digest_mismatches_total{kind="blob"} 1.0'),
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


def test_what_others_limit_is_there_before_it_happens_and_a_breaker_closes() -> None:
    metrics = Metrics(["quay"], "0")
    text = metrics.render().decode()
    for reason in ("pull_limit", "abuse", "client"):
        assert f'regproxy_upstream_throttled_total{{reason="{reason}",registry="quay"}} 0.0' in text
    for is_open in (True, True, False, False):
        metrics.observe(BreakerChanged("quay", "quay.io", is_open=is_open))
    assert 'regproxy_upstream_breaker_open{registry="quay"} 0.0' in metrics.render().decode()


def test_strangers_add_no_series() -> None:
    metrics = Metrics(["quay"], "0")
    for number in range(1000):
        stranger = Labels(Outcome.MISS, f"r{number}", f"k{number}", f"repo{number}", f"tag{number}", f"tier{number}")
        metrics.observe(ExchangeFinished(f"10.0.0.{number}", f"h{number}", f"M{number}", 200, 1, 1, stranger))
        metrics.observe(UpstreamFinished(f"r{number}", "blob", f"M{number}", 200, 1, 1))
        metrics.observe(UpstreamThrottled(f"r{number}", f"h{number}", "abuse"))
        metrics.observe(BreakerChanged(f"r{number}", f"h{number}", is_open=True))
    series = [line for line in metrics.render().decode().splitlines() if not line.startswith("#")]
    assert len(series) < 200


def test_gauges_are_read_at_each_scrape() -> None:
    metrics, values = Metrics([], "0"), iter([1.0, 2.0])
    metrics.gauge("cache_entries", "x", lambda: next(values))
    found = [re.search(r"^regproxy_cache_entries (\S+)$", metrics.render().decode(), re.MULTILINE) for _ in range(2)]
    assert [match.group(1) if match else "" for match in found] == ["1.0", "2.0"]


def policy_samples(metrics: Metrics) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in metrics.render().decode().splitlines())
    return {name.removeprefix("regproxy_policy_"): float(value) for name, _, value in lines if "_policy_" in name[:17]}


def test_a_failed_reload_shows_until_the_file_says_what_runs() -> None:
    metrics = Metrics(["hub"], "1")
    metrics.observe(PolicyStarted("a", 10.0, resumed=False))
    assert policy_samples(metrics)["last_reload_successful"] == 1
    metrics.observe(PolicyReloaded("failure", "file", "a", ("hub",), 20.0, 5.0))
    failed = policy_samples(metrics)
    assert failed["last_reload_successful"] == 0
    assert failed["last_reload_success_timestamp_seconds"] == 10
    assert failed['reloads_total{result="failure"}'] == 1
    assert failed['reloads_total{result="success"}'] == 0
    assert failed['info{checksum="a"}'] == 1
    metrics.observe(PolicyReloaded("unchanged", "file", "a", ("hub",), 30.0, 5.0))
    assert policy_samples(metrics)["last_reload_successful"] == 1
    metrics.observe(PolicyReloaded("success", "file", "b", ("hub", "new"), 40.0, 5.0))
    swapped = policy_samples(metrics)
    assert swapped["last_reload_success_timestamp_seconds"] == 40
    assert 'info{checksum="a"}' not in swapped
    assert swapped['info{checksum="b"}'] == 1
    assert swapped["reload_duration_seconds_count"] == 3


def test_a_resumed_policy_shows_until_a_reload_succeeds() -> None:
    metrics = Metrics(["hub"], "1")
    metrics.observe(PolicyStarted("a", 10.0, resumed=True))
    resumed = policy_samples(metrics)
    assert (resumed["resumed"], resumed["last_reload_successful"]) == (1, 0)
    metrics.observe(PolicyReloaded("success", "file", "b", (), 40.0, 5.0))
    mended = policy_samples(metrics)
    assert (mended["resumed"], mended["last_reload_successful"]) == (0, 1)


def test_registries_of_a_reloaded_policy_get_their_own_label_within_the_bound() -> None:
    metrics = Metrics(["quay"], "1")
    new = ExchangeFinished("10.0.0.1", "x", "GET", 200, 7, 1.5, Labels(Outcome.HIT, "new", "manifest"))
    metrics.observe(new)
    metrics.observe(PolicyReloaded("success", "file", "b", ("new",), 40.0, 5.0))
    metrics.observe(new)
    text = metrics.render().decode()
    for name in ("other", "new"):
        assert f'regproxy_requests_total{{registry="{name}",status="200"}} 1.0' in text
    many = tuple(f"r{number:04}" for number in range(MAX_REGISTRIES + 10))
    metrics.observe(PolicyReloaded("success", "file", "c", many, 50.0, 5.0))
    shown = set(
        re.findall(r'cache_results_total{kind="blob",outcome="hit",registry="([^"]+)"}', metrics.render().decode())
    )
    assert len(shown) == MAX_REGISTRIES
