"""The committed dashboards are what the generator makes, and Grafana's own model of them loses nothing."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.generator.__main__ import main
from tests.grafana.fitting import misfits
from tests.grafana.shipped import DASHBOARDS, dashboard

every_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
GRID = 24


def test_generating_again_gives_the_committed_dashboards(tmp_path: Path) -> None:
    main(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in DASHBOARDS}, "run `python -m grafana.generator`"


@pytest.fixture(scope="module", autouse=True)
def all_kinds() -> None:
    """Without this the model takes queries, options and fields of panels as they come."""
    register_default_plugins()


@every_dashboard
def test_the_typed_model_reads_all_of_a_dashboard(path: Path) -> None:
    """A key that the model does not know is lost on the way through it."""
    raw = dashboard(path)
    assert json.loads(json.dumps(Dashboard.from_json(raw), cls=JSONEncoder)) == raw


@every_dashboard
def test_everything_has_the_type_that_the_model_gives_it(path: Path) -> None:
    assert list(misfits(Dashboard.from_json(dashboard(path)), Dashboard, path.stem)) == []


@pytest.mark.parametrize(
    ("break_it", "place"),
    [
        (lambda raw: raw["panels"][1]["gridPos"].update(w="4"), "panels[1].grid_pos.w"),
        (lambda raw: raw["panels"][1]["fieldConfig"]["defaults"].update(unit=5), "defaults.unit"),
        (lambda raw: raw["panels"][1]["targets"][0].update(expr=None), "targets[0].expr"),
        (lambda raw: raw["templating"]["list"][0].update(type="quary"), "list_val[0].type_val"),
        (lambda raw: raw["panels"][1]["options"].update(colorMode="loud"), "options.color_mode"),
        (lambda raw: raw.update(editable="no"), "editable"),
    ],
)
def test_a_wrong_type_is_noticed(break_it: Callable[[dict[str, Any]], None], place: str) -> None:
    raw = dashboard(DASHBOARDS[-1])
    break_it(raw)
    (found,) = misfits(Dashboard.from_json(raw), Dashboard, "it")
    assert place in found


@every_dashboard
def test_panels_have_numbers_of_their_own_and_lie_beside_each_other(path: Path) -> None:
    panels: list[dict[str, Any]] = dashboard(path)["panels"]
    assert max(Counter(panel["id"] for panel in panels).values()) == 1
    cells = Counter(
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(cells.values()) == 1, "two panels overlap"
    assert max(x for x, _ in cells) < GRID
    rows = {y for _, y in cells}
    assert rows == set(range(max(rows) + 1)), "a gap between panels"


def test_dashboards_have_names_of_their_own() -> None:
    names = [(dashboard(path)["uid"], dashboard(path)["title"]) for path in DASHBOARDS]
    assert len({uid for uid, _ in names}) == len({title for _, title in names}) == len(DASHBOARDS) == 4
