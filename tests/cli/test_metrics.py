"""`regproxy metrics`."""

import json

import pytest
from click.testing import CliRunner

from regproxy.cli import main
from regproxy.telemetry.catalogue import CATALOGUE


@pytest.mark.parametrize("flag", [None, "--markdown", "--json"])
def test_every_metric_is_listed(flag: str | None) -> None:
    found = CliRunner().invoke(main, ["metrics", *filter(None, [flag])])
    assert found.exit_code == 0
    assert all(metric.family in found.output for metric in CATALOGUE)
    if flag == "--json":
        assert [one["name"] for one in json.loads(found.output)] == [metric.family for metric in CATALOGUE]


def test_one_way_to_list_them_at_a_time() -> None:
    found = CliRunner().invoke(main, ["metrics", "--markdown", "--json"])
    assert found.exit_code == 2
    assert "choose one" in found.output
