"""The rules of Grafana's dashboard linter (grafana/dashboard-linter), and ours: a title is a question."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.grafana.shipped import DASHBOARDS, Panel, dashboard, expressions, panels, selectors

# How much of a title fits into one of 24 columns of a screen that is 1600 wide.
LETTERS = 6.5
ALL = [*panels(), *panels(logs=True)]
every_panel = pytest.mark.parametrize("panel", ALL, ids=str)
every_query = pytest.mark.parametrize("panel", panels(), ids=str)
every_expression = pytest.mark.parametrize(("place", "expression"), expressions(), ids=lambda text: text[:60])


def variables(path: Path) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in dashboard(path)["templating"]["list"]}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_the_data_source_that_is_chosen_and_is_not_edited_in_place(path: Path) -> None:
    assert variables(path)["datasource"]["type"] == "datasource"
    assert dashboard(path)["editable"] is False
    assert dashboard(path)["description"]


@pytest.mark.parametrize("path", [path for path in DASHBOARDS if path.stem != "logs"], ids=lambda path: path.stem)
def test_jobs_and_instances_can_be_chosen_and_are_all_chosen_at_first(path: Path) -> None:
    for name in ("job", "instance"):
        variable = variables(path)[name]
        assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
        assert variable["current"]["value"] == ["$__all"]
        assert variable["refresh"] == 2, "values are asked again when the time changes"
        assert variable["datasource"]["uid"] == "${datasource}"
    assert "registry" in variables(path)
    assert variables(path)["registry"].get("multi", False) is (path.stem != "registry")
    assert [one["name"] for one in dashboard(path)["annotations"]["list"]] == ["Policy loaded", "Policy refused"]


@every_panel
def test_a_panel_is_a_question_with_a_description_a_unit_and_queries(panel: Panel) -> None:
    assert panel.title.endswith("?")
    assert len(panel.title) <= panel.raw["gridPos"]["w"] * LETTERS, "its end is not seen"
    assert panel.raw["description"].endswith(".")
    assert panel.raw["fieldConfig"]["defaults"]["unit"]
    assert panel.raw["datasource"]["uid"] == "${datasource}"
    assert panel.targets
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.targets)
    assert [target["refId"] for target in panel.targets] == [chr(65 + place) for place in range(len(panel.targets))]


@every_query
def test_a_query_reads_the_chosen_instances_and_names_its_series(panel: Panel) -> None:
    for target in panel.targets:
        assert target["legendFormat"]
        read = selectors(target["expr"])
        assert read, target["expr"]
        for selector in read:
            assert 'job=~"$job",instance=~"$instance"' in selector.matchers, target["expr"]


@every_query
def test_a_query_rates_over_the_interval_that_grafana_works_out(panel: Panel) -> None:
    for target in panel.targets:
        for function, interval in re.findall(r"\b(rate|irate|increase)\([^\[\]]*\[([^\]]*)\]", target["expr"]):
            assert (function, interval) in {("rate", "$__rate_interval"), ("increase", "$__range")}


@every_expression
def test_a_counter_is_only_read_as_its_growth(place: str, expression: str) -> None:
    for counter in re.finditer(
        r"(\w*\()?\s*\b(\w+_(?:total|bucket|count|sum))\b(?!\s*\()(\{[^}]*\})?(\[)?", expression
    ):
        called, _, _, ranged = counter.groups()
        assert ranged and called in {"rate(", "increase("}, f"{place}: {counter.group()}"
