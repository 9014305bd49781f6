"""What the recording rules work out, by Prometheus' own engine."""

import json
from pathlib import Path

import pytest

from tests.grafana.shipped import FOLDER, rules
from tests.grafana.test_alerts import promtool
from tests.lab.peers import need

TRAFFIC = {
    'regproxy_cache_requests_total{registry="hub",kind="blob",outcome="hit"}': "0+60x100",
    'regproxy_cache_requests_total{registry="hub",kind="blob",outcome="miss"}': "0+30x100",
    'regproxy_cache_requests_total{registry="hub",kind="manifest",outcome="stale"}': "0+30x100",
    # Pings are no requests that a cache could answer.
    'regproxy_cache_requests_total{registry="hub",kind="ping",outcome="local"}': "0+600x100",
    'regproxy_response_bytes_total{registry="hub",kind="blob",source="cache"}': "0+600x100",
    'regproxy_response_bytes_total{registry="hub",kind="blob",source="upstream"}': "0+200x100",
    'regproxy_http_requests_total{registry="hub",kind="blob",method="GET",code="200"}': "0+90x100",
    'regproxy_http_requests_total{registry="hub",kind="blob",method="GET",code="503"}': "0+30x100",
    'regproxy_ratelimit_remaining_pulls{registry="hub",account="anonymous"}': "30x100",
    'regproxy_ratelimit_limit_pulls{registry="hub",account="anonymous"}': "120x100",
    'regproxy_upstream_first_byte_seconds_bucket{registry="hub",purpose="blob",le="1"}': "0+60x100",
    'regproxy_upstream_first_byte_seconds_bucket{registry="hub",purpose="blob",le="+Inf"}': "0+60x100",
    'regproxy_http_first_byte_seconds_bucket{kind="blob",outcome="hit",le="1"}': "0+60x100",
    'regproxy_http_first_byte_seconds_bucket{kind="blob",outcome="hit",le="+Inf"}': "0+60x100",
}
BLOBS, MANIFESTS = 'registry="hub",kind="blob"', 'registry="hub",kind="manifest"'
RECORDED = {
    "job_registry_kind:regproxy_cache_requests:rate5m": {BLOBS: 1.5, MANIFESTS: 0.5},
    "job_registry_kind:regproxy_cache_served:rate5m": {BLOBS: 1, MANIFESTS: 0.5},
    "job_registry:regproxy_cache_served_per_cache_requests:ratio_rate5m": {'registry="hub"': 0.75},
    "job:regproxy_cache_served_per_cache_requests:ratio_rate1h": {"": 0.75},
    "job_registry:regproxy_response_bytes_saved_per_response_bytes:ratio_rate5m": {'registry="hub"': 0.75},
    "job_registry:regproxy_http_requests_5xx_per_http_requests:ratio_rate5m": {'registry="hub"': 0.25},
    "job_registry_account:regproxy_ratelimit_remaining_per_limit:ratio": {'registry="hub",account="anonymous"': 0.25},
    "job_registry:regproxy_upstream_first_byte_seconds:p90_rate5m": {'registry="hub"': 0.9},
    "job_kind:regproxy_http_first_byte_seconds:p99_rate5m": {'kind="blob"': 0.99},
}  # fmt: skip


def test_every_recording_rule_is_worked_out_once() -> None:
    assert list(RECORDED) == list(rules())


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_series_is_what_its_name_says(tmp_path: Path, name: str) -> None:
    need("promtool")
    samples = [
        {"labels": f'{{job="regproxy"{"," if labels else ""}{labels}}}', "value": value}
        for labels, value in RECORDED[name].items()
    ]
    case = {
        "interval": "1m",
        "input_series": [
            {"series": series.replace("{", '{job="regproxy",instance="a",'), "values": values}
            for series, values in TRAFFIC.items()
        ],
        "promql_expr_test": [{"expr": f"round({name}, 0.001)", "eval_time": "90m", "exp_samples": samples}],
    }
    test = tmp_path / "test.yaml"
    test.write_text(json.dumps({"rule_files": [str(FOLDER / "rules.yaml")], "tests": [case]}))
    assert promtool("test", "rules", str(test))
