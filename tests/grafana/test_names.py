"""Dashboards and rules against the catalogue: nothing is asked that is not there, nothing there is unseen."""

import re

import pytest

from regproxy.telemetry.catalogue import CATALOGUE
from tests.grafana.shipped import expressions, metrics, panels, rules, selectors

# Of prometheus_client's process collector and of Prometheus itself.
OTHERS = {"process_open_fds", "process_max_fds", "process_start_time_seconds", "up"}
LABELS = {name: {label.name for label in metric.labels} for metric in CATALOGUE for name in metric.queried}
TARGET = {"job", "instance"}
# Metrics that no panel and no rule reads, each with the reason.
UNSEEN: dict[str, str] = {
    "regproxy_busiest_client_share": "told once by a warning in the log, where the policy makes it matter",
    "regproxy_credential_lent_to_any": "said by `policy check` and at start; for who wants an alert of their own",
}
every_expression = pytest.mark.parametrize(("place", "expression"), expressions(), ids=lambda text: text[:60])


@every_expression
def test_every_name_is_in_the_catalogue(place: str, expression: str) -> None:
    asked = metrics(expression)
    assert asked, place
    assert asked - set(LABELS) - set(rules()) <= OTHERS, place


@every_expression
def test_every_label_is_one_of_its_metric(place: str, expression: str) -> None:
    for selector in selectors(expression):
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector.matchers))
        assert asked <= LABELS.get(selector.metric, set()) | TARGET, place
    grouped = {
        label
        for found in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", expression)
        for label in re.split(r"[,\s]+", found)
    }
    known = set().union(*(LABELS.get(name, set()) for name in metrics(expression)))
    recorded = {label for name in metrics(expression) if ":" in name for label in name.partition(":")[0].split("_")}
    assert grouped <= known | recorded | TARGET | {"le", ""}, place


def test_every_metric_is_on_a_panel_or_in_a_rule_or_is_explained() -> None:
    seen = set().union(*(metrics(expression) for _, expression in expressions()))
    unseen = {metric.family for metric in CATALOGUE if not seen & set(metric.queried)}
    assert unseen == set(UNSEEN)


def test_every_closed_value_that_is_asked_for_is_one_of_its_label() -> None:
    values = {
        (name, label.name): {*label.values, "other"} for metric in CATALOGUE for name in metric.queried
        for label in metric.labels if label.values
    }  # fmt: skip
    for place, expression in expressions():
        for selector in selectors(expression):
            for label, asked in re.findall(r'(\w+)(?:=~|!=|=)"([^"$]*)"', selector.matchers):
                known = values.get((selector.metric, label))
                words = {word for word in asked.split("|") if word.isidentifier()}
                assert known is None or words <= known, f"{place}: {selector}"


def test_legends_name_labels_that_the_query_keeps() -> None:
    for panel in panels():
        for target in panel.targets:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            if not re.search(r"\bby \(", target["expr"]):
                assert named <= TARGET, str(panel)
                continue
            kept = {
                one for found in re.findall(r"\bby \(([^)]*)\)", target["expr"]) for one in re.split(r",\s*", found)
            }
            assert named <= kept, str(panel)
