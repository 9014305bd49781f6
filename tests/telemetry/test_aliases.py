"""Docker Hub's limit under the names that its exporters use: the same numbers, of that registry alone."""

import pytest

from regproxy.model.event import QuotaObserved
from regproxy.telemetry.aliases import ALIASES, aliased
from regproxy.telemetry.catalogue import CATALOGUE
from regproxy.telemetry.exposition import exposition
from tests.telemetry.test_metrics import made


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text;version=1.0.0"])
def test_aliases_show_what_one_registry_said(accept: str) -> None:
    metrics = made("hub", "quay")
    metrics.observe(QuotaObserved("hub", "anonymous", 100, 41, 7.0, 21600))
    metrics.observe(QuotaObserved("hub", "ci", 200, 199, 7.0))
    metrics.observe(QuotaObserved("quay", "anonymous", 9, 8, 7.0, 60))
    page = exposition(aliased(metrics.sampled(), "hub"), accept)[0].decode().splitlines()
    assert {line for line in page if line.startswith("dockerhub_")} == {
        'dockerhub_limit_max_requests_total{account="anonymous"} 100.0',
        'dockerhub_limit_max_requests_total{account="ci"} 200.0',
        'dockerhub_limit_remaining_requests_total{account="anonymous"} 41.0',
        'dockerhub_limit_remaining_requests_total{account="ci"} 199.0',
        'dockerhub_limit_max_requests_time{account="anonymous"} 21600.0',
        'dockerhub_limit_remaining_requests_time{account="anonymous"} 21600.0',
    }


def test_an_alias_is_of_a_metric_that_there_is_and_takes_no_name_of_ours() -> None:
    ours = {metric.name for metric in CATALOGUE}
    assert {name for name, _ in ALIASES} <= ours
    families = [alias.family for _, alias in ALIASES]
    assert len(set(families)) == len(families)
    assert all(family.startswith("dockerhub_limit_") for family in families)
