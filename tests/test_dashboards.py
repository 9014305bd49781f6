"""Dashboards against the catalogue: no panel asks for a metric that does not exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from regproxy.telemetry.catalogue import CATALOGUE

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "grafana").glob("*.json"))


def panels(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["panels"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_panel_asks_for_metrics_that_exist(path: Path) -> None:
    known = {name for metric in CATALOGUE for name in metric.queried}
    for panel in panels(path):
        for target in panel["targets"]:
            asked = set(re.findall(r"regproxy_\w+", target["expr"]))
            assert asked, target["expr"]
            assert asked <= known, (panel["title"], asked - known)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_panel_is_a_question_with_a_description_and_a_unit(path: Path) -> None:
    for panel in panels(path):
        assert panel["title"].endswith("?")
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_there_is_a_dashboard() -> None:
    assert FILES
