"""The catalogue by the rules of Prometheus (prometheus.io/docs/practices/naming), and the page that tells of it."""

import re
from pathlib import Path

import pytest

from regproxy.telemetry.catalogue import CATALOGUE
from regproxy.telemetry.metric import Metric
from regproxy.telemetry.reference import markdown, objects

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
NEVER = {"repository", "tag", "digest", "client", "url", "user", "path"}
every_metric = pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)


@every_metric
def test_a_metric_is_named_bounded_and_explained(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", metric.name)
    assert not metric.name.endswith(("_total", "_milliseconds", "_count", "_sum", "_bucket"))
    assert metric.help.endswith(".")
    assert not {label.name for label in metric.labels} & NEVER
    assert all(label.values or label.most for label in metric.labels)
    assert (metric.type == "histogram") is bool(metric.buckets)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@every_metric
def test_the_first_values_of_a_label_are_of_its_set(metric: Metric) -> None:
    assert all(set(label.first) <= set(label.values) for label in metric.labels)


def test_no_name_is_twice() -> None:
    names = [name for metric in CATALOGUE for name in metric.queried]
    assert len(names) == len(set(names))


def test_the_page_is_what_the_program_says() -> None:
    assert PAGE.read_text() == markdown(), "regproxy metrics --markdown > docs/metrics.md"
    for one in objects():
        assert str(one["name"]) in markdown()
