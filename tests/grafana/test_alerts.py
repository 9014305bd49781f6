"""Every alert fires on what it is for and says so, and is quiet otherwise; promtool runs Prometheus' own engine."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.grafana.shipped import FOLDER, alerts, panels, resolved, rules
from tests.grafana.stories import STORIES, Series, Story
from tests.lab.peers import need

every_alert = pytest.mark.parametrize("name", alerts())


def promtool(*arguments: str) -> str:
    ran = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def case(story: Story, series: Series, expected: list[dict[str, object]]) -> dict[str, object]:
    """One of promtool's tests: what the alert says under some series."""
    return {
        "interval": story.step,
        "input_series": [{"series": _of_instance(name), "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": story.at, "alertname": story.alert, "exp_alerts": expected}],
    }


def _needed(tmp_path: Path, alert: str) -> Path:
    """A rule file with the alert and what it reads: the others would only be worked out for nothing."""
    recorded = [rule for name, rule in rules().items() if name in alerts()[alert]["expr"]]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "needed", "rules": [*recorded, alerts()[alert]]}]}))
    return file


def _of_instance(series: str) -> str:
    name, _, labels = series.removesuffix("}").partition("{")
    return f'{name}{{job="regproxy",instance="a",{labels}}}'


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.alert)
def test_an_alert_fires_where_it_should_says_what_is_wrong_and_is_quiet_otherwise(tmp_path: Path, story: Story) -> None:
    need("promtool")
    rule = alerts()[story.alert]
    annotations = {**rule["annotations"], "description": story.says}
    labels = {"job": "regproxy", **story.labels, **rule["labels"]}
    told: dict[str, object] = {"exp_labels": labels, "exp_annotations": annotations}
    tests = [case(story, story.fires, [told]), case(story, story.quiet, [])]
    file = tmp_path / "test.yaml"
    # JSON is YAML, too.
    file.write_text(
        json.dumps(
            {"rule_files": [str(_needed(tmp_path, story.alert))], "evaluation_interval": story.step, "tests": tests}
        )
    )
    promtool("test", "rules", str(file))


def test_every_alert_has_its_story() -> None:
    assert [story.alert for story in STORIES] == list(alerts())
    assert len(STORIES) >= 20


@every_alert
def test_an_alert_has_a_severity_a_summary_a_description_and_a_page(name: str) -> None:
    rule = alerts()[name]
    assert name.startswith("Regproxy")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"[A-Z][^{}]*\.", rule["annotations"]["summary"])
    assert "{{" in rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"


def test_prometheus_takes_the_rules_and_every_query_of_the_dashboards(tmp_path: Path) -> None:
    need("promtool")
    queries = [resolved(target["expr"]) for panel in panels() for target in panel.targets]
    recorded = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
    said = promtool("check", "rules", str(FOLDER / "rules.yaml"), str(FOLDER / "alerts.yaml"), str(file))
    assert re.findall(r"(\d+) rules found", said) == [str(len(rules())), str(len(alerts())), str(len(queries))]
