"""Events counted: labels from closed sets, every value there from the first scrape."""

import time
from collections import Counter
from dataclasses import replace

import pytest

from regproxy.model.ca_event import LeafIssued
from regproxy.model.credential_event import CredentialRejected, HelperFailed
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
from regproxy.model.measure import (
    CaMeasured,
    DiskMeasured,
    EdgeMeasured,
    LogMeasured,
    Measured,
    ProcessEnded,
    ProcessMeasured,
    StoreMeasured,
    TurnedAway,
    UpstreamMeasured,
)
from regproxy.model.pull_event import HoldChanged, LayersPrefetched, PullFinished, PullSpent, UpstreamRetried
from regproxy.model.stale import Stale
from regproxy.telemetry.catalogue import CATALOGUE
from regproxy.telemetry.exposition import exposition
from regproxy.telemetry.labels import KIND, MAX_REGISTRIES
from regproxy.telemetry.metrics import Metrics

# Of twelve registries that strangers asked for everything; `deploy/` lets Prometheus take 10,000.
MAX_SERIES = 7000
LABELS = Labels(Outcome.HIT, "quay", "manifest", "a/b", "latest", "tags")

STALE = replace(LABELS, outcome=Outcome.STALE, stale=Stale("rate_limited", 50_000.0))

PULLED = PullFinished("10.0.0.1", "quay.io", "quay", "a/b", "latest", "partial", 1, 2, 3, 4, 5.0)


def made(*registries: str, tiers: tuple[str, ...] = ("tags",)) -> Metrics:
    return Metrics(registries, tiers, ("0", "3.11", "8", "3"), lambda: 5.0)


def lines(metrics: Metrics, accept: str = "") -> list[str]:
    return exposition(metrics.sampled(), accept)[0].decode().splitlines()


def series(metrics: Metrics) -> list[str]:
    return [line for line in lines(metrics) if line.startswith("regproxy_")]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 1.5, LABELS),
            'regproxy_cache_requests_total{kind="manifest",outcome="hit",registry="quay"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 1.5, LABELS),
            'regproxy_http_requests_total{code="200",kind="manifest",method="GET",registry="quay"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "x.example", "GET", 200, 7, 1.5, Labels(Outcome.PASS, "stranger", "odd")),
            'regproxy_cache_requests_total{kind="other",outcome="pass",registry="other"} 1.0',
        ),
        (
            UpstreamFinished("quay", "blob", "GET", 200, 9, 1.0),
            'regproxy_upstream_requests_total{code="200",method="GET",purpose="blob",registry="quay"} 1.0',
        ),
        (
            UpstreamFinished("quay", "blob", "BREW", 0, 0, 1.0, "dns"),
            'regproxy_upstream_failures_total{reason="dns",registry="quay"} 1.0',
        ),
        (
            UpstreamThrottled("quay", "quay.io", "abuse"),
            'regproxy_upstream_throttled_total{reason="abuse",registry="quay"} 1.0',
        ),
        (
            QuotaObserved("quay", "anonymous", 100, 41, 7.0),
            'regproxy_ratelimit_remaining_pulls{account="anonymous",registry="quay"} 41.0',
        ),
        (
            QuotaObserved("quay", "anonymous", 100, 41, 7.0),
            'regproxy_ratelimit_limit_pulls{account="anonymous",registry="quay"} 100.0',
        ),
        (
            QuotaObserved("stranger", "anonymous", 100, 41, 7.0),
            'regproxy_ratelimit_observed_timestamp_seconds{account="anonymous",registry="other"} 7.0',
        ),
        (
            CredentialRejected("quay", "quay.io", "basic me", "so"),
            'regproxy_credential_rejected_total{registry="quay"} 1.0',
        ),
        (
            HelperFailed("quay", "quay.io", "docker-credential-x", "so"),
            'regproxy_credential_helper_failures_total{registry="quay"} 1.0',
        ),
        (
            BreakerChanged("quay", "quay.io", is_open=True, cause="refused"),
            'regproxy_upstream_up{registry="quay"} 0.0',
        ),
        (ConnectFinished("c", "a", "tunnel", 200), 'regproxy_connect_requests_total{decision="tunnel"} 1.0'),
        (TunnelClosed("c", "a", 3, 4, 1.0), 'regproxy_tunnel_bytes_total{direction="received"} 4.0'),
        (
            HandshakeFailed("c", "a", "unknown_ca"),
            'regproxy_client_tls_handshakes_total{result="unknown_ca"} 1.0',
        ),
        (EntryStored("blob", 5), 'regproxy_cache_filled_bytes_total{kind="blob"} 5.0'),
        (EntryEvicted(5, "size"), 'regproxy_cache_evicted_bytes_total{reason="size"} 5.0'),
        (
            DigestMismatched("quay.io", "blob", "sha256:0"),
            'regproxy_cache_integrity_failures_total{kind="blob",where="upstream"} 1.0',
        ),
        (StoreFailed("write", "no space"), 'regproxy_store_failures_total{operation="write"} 1.0'),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 1.5, LABELS),
            'regproxy_response_bytes_total{kind="manifest",registry="quay",source="cache"} 7.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 1.5, LABELS),
            'regproxy_policy_decisions_total{tier="tags"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 2048, 30.0, LABELS),
            'regproxy_http_transfer_seconds_bucket{kind="manifest",le="0.1"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 2048, 30.0, LABELS),
            'regproxy_http_response_size_bytes_sum{kind="manifest"} 2048.0',
        ),
        (
            UpstreamFinished("quay", "token", "GET", 401, 9, 1.0),
            'regproxy_upstream_token_requests_total{registry="quay",result="denied"} 1.0',
        ),
        (
            UpstreamFinished("quay", "blob", "GET", 206, 9, 1.0),
            'regproxy_upstream_last_success_timestamp_seconds{registry="quay"} 5.0',
        ),
        (
            EntryEvicted(5, "damaged"),
            'regproxy_cache_integrity_failures_total{kind="other",where="disk"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 40.0, LABELS, True, 2.0),
            'regproxy_http_first_byte_seconds_bucket{kind="manifest",le="0.0025",outcome="hit"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 40.0, LABELS, False, 2.0, True),
            'regproxy_http_client_aborts_total{kind="manifest"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 40.0, STALE),
            'regproxy_cache_stale_served_total{reason="rate_limited",registry="quay"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 40.0, STALE),
            'regproxy_cache_stale_served_age_seconds_bucket{le="86400.0"} 1.0',
        ),
        (
            ExchangeFinished("10.0.0.1", "quay.io", "GET", 200, 7, 40.0, STALE),
            'regproxy_ratelimit_saved_pulls_total{registry="quay"} 1.0',
        ),
        (
            UpstreamFinished("quay", "manifest", "HEAD", 200, 0, 9.0, first_byte=4.0),
            'regproxy_upstream_first_byte_seconds_bucket{le="0.005",purpose="manifest",registry="quay"} 1.0',
        ),
        (UpstreamRetried("quay", "dns"), 'regproxy_upstream_retries_total{reason="dns",registry="quay"} 1.0'),
        (
            QuotaObserved("quay", "anonymous", 100, 41, 7.0, 21600),
            'regproxy_ratelimit_window_seconds{account="anonymous",registry="quay"} 21600.0',
        ),
        (
            HoldChanged("quay", "all", 99.0),
            'regproxy_ratelimit_retry_at_timestamp_seconds{account="all",registry="quay"} 99.0',
        ),
        (PULLED, 'regproxy_pulls_total{outcome="partial",registry="quay"} 1.0'),
        (LayersPrefetched("quay", "a/b", 2, 7), 'regproxy_prefetched_bytes_total{registry="quay"} 7.0'),
        (PullSpent("quay", "own"), 'regproxy_ratelimit_spent_pulls_total{account="own",registry="quay"} 1.0'),
        (EntryStored("blob", 5, again=True), "regproxy_cache_refetched_bytes_total 5.0"),
        (EntryStored("blob", 5), "regproxy_cache_refetched_bytes_total 0.0"),
        (LeafIssued("quay.io"), "regproxy_leaf_certificates_minted_total 1.0"),
        (
            ProcessMeasured("edge-1", (0.0, 0.02), 0.5, 7),
            'regproxy_event_loop_lag_seconds_bucket{le="0.025",process="edge-1"} 2.0',
        ),
        (ProcessMeasured("edge-1", (), 0.5, 7), 'regproxy_cpu_seconds_total{process="edge-1"} 0.5'),
        (EdgeMeasured("edge-1", 1, 2, 3, 4), 'regproxy_client_connections{state="idle"} 3.0'),
        (EdgeMeasured("edge-1", 1, 2, 3, 4), 'regproxy_client_tls_handshakes_total{result="ok"} 4.0'),
        (
            EdgeMeasured("edge-1", 1, 2, 3, 4, TurnedAway(5, 6, 7, "10.0.0.9")),
            'regproxy_client_connections_turned_away_total{reason="idle"} 6.0',
        ),
        (EdgeMeasured("edge-1", 1, 2, 3, 4, waits=8), "regproxy_client_waits_total 8.0"),
    ],
)
def test_an_event_is_counted(event: Event, line: str) -> None:
    metrics = made("quay")
    metrics.observe(event)
    assert line in lines(metrics)


def test_what_can_happen_is_there_before_it_happens() -> None:
    text = lines(made("quay"))
    for outcome in Outcome:
        assert f'regproxy_cache_requests_total{{kind="blob",outcome="{outcome}",registry="quay"}} 0.0' in text
    for reason in ("pull_limit", "abuse", "client"):
        assert f'regproxy_upstream_throttled_total{{reason="{reason}",registry="quay"}} 0.0' in text
    assert 'regproxy_upstream_up{registry="quay"} 1.0' in text
    for metric in CATALOGUE:
        there = any(line.startswith(metric.queried) for line in text if not line.startswith("#"))
        assert there is (not metric.known_later or metric.name == "build_info"), metric.name


def test_an_upstream_is_up_again_when_its_last_breaker_has_closed() -> None:
    metrics = made("quay")
    for is_open, up in ((True, 0.0), (True, 0.0), (False, 0.0), (False, 1.0)):
        metrics.observe(BreakerChanged("quay", "quay.io", is_open=is_open))
        assert f'regproxy_upstream_up{{registry="quay"}} {up}' in lines(metrics)


def test_strangers_stay_within_the_bound_and_a_scrape_is_quick(soak: float) -> None:
    metrics = made(*(f"registry-{number}" for number in range(11)), tiers=tuple(f"tier-{n}" for n in range(10)))
    outcomes, kinds = list(Outcome), [*KIND.values]
    for n in range(int(100_000 * soak)):
        outcome, kind, registry = outcomes[n % 12], kinds[n // 12 % 9], f"registry-{n % 37}"
        stranger = Labels(outcome, registry, kind if n % 3 else f"kind-{n}", f"a/{n}", f"tag-{n}", f"tier-{n % 50}")
        method = ("GET", "HEAD", "POST", f"M{n}")[n % 4]
        metrics.observe(ExchangeFinished(f"10.0.0.{n}", f"h{n}", method, 100 + n % 500, 1, 1, stranger))
        metrics.observe(UpstreamFinished(registry, f"p{n}", f"M{n}", 100 + n % 500, 1, 1, ("", "dns", f"f{n}")[n % 3]))
        metrics.observe(UpstreamThrottled(registry, f"h{n}", f"r{n}"))
        metrics.observe(QuotaObserved(registry, f"account-{n}", 100, 41, 7.0))
        metrics.observe(BreakerChanged(registry, f"h{n}", is_open=True))
    counted = Counter(line.partition("{")[0].partition(" ")[0] for line in series(metrics))
    for metric in CATALOGUE:
        assert sum(counted[name] for name in metric.queried) <= metric.bound, metric.name
    assert sum(counted.values()) < MAX_SERIES
    assert min(scrape_seconds(metrics) for _ in range(3)) < 0.1
    (requests,) = (one for one in metrics.sampled() if one.metric.name == "cache_requests")
    assert sum(value for _, value in requests.counts) == int(100_000 * soak)


def scrape_seconds(metrics: Metrics) -> float:
    began = time.thread_time()
    exposition(metrics.sampled(), "application/openmetrics-text;version=1.0.0")
    return time.thread_time() - began


@pytest.mark.parametrize(
    ("measured", "line"),
    [
        (StoreMeasured(content=1, reserved=2, objects=3, limit=4), "regproxy_cache_limit_bytes 4.0"),
        (DiskMeasured(free=1, total=2, oldest=3.0), "regproxy_cache_oldest_access_timestamp_seconds 3.0"),
        (DiskMeasured(free=1, total=2, oldest=3.0, pinned=4), "regproxy_cache_pinned_bytes 4.0"),
        (DiskMeasured(free=1, total=2, oldest=None), "regproxy_cache_filesystem_avail_bytes 1.0"),
        (UpstreamMeasured(fills=1, busy=2, slots=128, queued=4), 'regproxy_upstream_slots{state="idle"} 126.0'),
        (CaMeasured(7.0), "regproxy_ca_not_after_timestamp_seconds 7.0"),
        (LogMeasured(7), "regproxy_log_dropped_lines_total 7.0"),
    ],
)
def test_how_things_are_is_shown(measured: Measured, line: str) -> None:
    metrics = made()
    metrics.measured(measured)
    assert line in lines(metrics)


def test_what_an_edge_had_open_is_gone_with_it() -> None:
    metrics = made()
    metrics.observe(EdgeMeasured("edge-1", 1, 2, 3, 4))
    metrics.observe(EdgeMeasured("edge-2", 10, 20, 30, 40))
    metrics.observe(EdgeMeasured("edge-1", 2, 3, 4, 5))
    assert "regproxy_http_requests_in_flight 12.0" in lines(metrics)
    assert 'regproxy_client_tls_handshakes_total{result="ok"} 49.0' in lines(metrics)
    metrics.observe(ProcessEnded("edge-2"))
    assert "regproxy_http_requests_in_flight 2.0" in lines(metrics)
    assert 'regproxy_client_connections{state="active"} 3.0' in lines(metrics)


def test_a_slow_answer_leads_to_its_trace_in_openmetrics_alone() -> None:
    metrics, trace = made("quay"), "4bf92f3577b34da6a3ce929d0e0e4736"
    metrics.observe(ExchangeFinished("c", "quay.io", "GET", 200, 7, 900.0, LABELS, True, 800.0, trace=trace))
    bucket = 'regproxy_http_first_byte_seconds_bucket{kind="manifest",le="1.0",outcome="hit"} 1.0'
    assert f'{bucket} # {{trace_id="{trace}"}} 0.8 5.0' in lines(metrics, "application/openmetrics-text;version=1.0.0")
    assert bucket in lines(metrics, "text/plain")


def policy_samples(metrics: Metrics) -> dict[str, float]:
    samples = (line.rpartition(" ") for line in series(metrics))
    return {name.removeprefix("regproxy_policy_"): float(value) for name, _, value in samples if "_policy_" in name}


def test_a_failed_reload_shows_until_the_file_says_what_runs() -> None:
    metrics = made("hub")
    metrics.observe(PolicyStarted("a", 10.0, resumed=False))
    assert policy_samples(metrics)["last_reload_successful"] == 1
    metrics.observe(PolicyReloaded("failure", "file", "a", ("hub",), (), 20.0, 5.0))
    failed = policy_samples(metrics)
    assert failed["last_reload_successful"] == 0
    assert failed["last_reload_success_timestamp_seconds"] == 10
    assert failed['reloads_total{result="failure"}'] == 1
    assert failed['reloads_total{result="success"}'] == 0
    assert failed['info{checksum="a"}'] == 1
    metrics.observe(PolicyReloaded("unchanged", "file", "a", ("hub",), (), 30.0, 5.0))
    assert policy_samples(metrics)["last_reload_successful"] == 1
    metrics.observe(PolicyReloaded("success", "file", "b", ("hub", "new"), (), 40.0, 5.0))
    swapped = policy_samples(metrics)
    assert swapped["last_reload_success_timestamp_seconds"] == 40
    assert 'info{checksum="a"}' not in swapped
    assert swapped['info{checksum="b"}'] == 1
    assert swapped["reload_duration_seconds_count"] == 3


def test_a_resumed_policy_shows_until_a_reload_succeeds() -> None:
    metrics = made("hub")
    metrics.observe(PolicyStarted("a", 10.0, resumed=True))
    resumed = policy_samples(metrics)
    assert (resumed["resumed"], resumed["last_reload_successful"]) == (1, 0)
    metrics.observe(PolicyReloaded("success", "file", "b", (), (), 40.0, 5.0))
    mended = policy_samples(metrics)
    assert (mended["resumed"], mended["last_reload_successful"]) == (0, 1)


def test_a_credential_that_is_lent_to_any_client_shows_until_the_policy_narrows_it() -> None:
    metrics = made("hub")
    shown = 'regproxy_credential_lent_to_any{registry="hub"} 1.0'
    assert shown not in lines(metrics)
    metrics.observe(PolicyStarted("a", 10.0, resumed=False, exposed=("hub",)))
    assert shown in lines(metrics)
    metrics.observe(PolicyReloaded("success", "file", "b", ("hub",), (), 40.0, 5.0))
    assert not [line for line in lines(metrics) if line.startswith("regproxy_credential_lent_to_any{")]


def test_registries_of_a_reloaded_policy_get_their_own_label_within_the_bound() -> None:
    metrics = made("quay")
    new = ExchangeFinished("10.0.0.1", "x", "GET", 200, 7, 1.5, Labels(Outcome.HIT, "new", "manifest"))
    metrics.observe(new)
    metrics.observe(PolicyReloaded("success", "file", "b", ("new",), (), 40.0, 5.0))
    metrics.observe(new)
    for name in ("other", "new"):
        line = f'regproxy_http_requests_total{{code="200",kind="manifest",method="GET",registry="{name}"}} 1.0'
        assert line in lines(metrics)
    many = tuple(f"r{number:04}" for number in range(MAX_REGISTRIES + 10))
    metrics.observe(PolicyReloaded("success", "file", "c", many, (), 50.0, 5.0))
    shown = {line.partition(" ")[0] for line in lines(metrics) if line.startswith("regproxy_upstream_up{")}
    assert len(shown) == MAX_REGISTRIES + 1
