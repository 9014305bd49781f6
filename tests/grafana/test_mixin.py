"""The mixin wraps the files themselves, and changes only what its configuration says."""

import json
import subprocess
from typing import Any

from tests.grafana.shipped import DASHBOARDS, FOLDER, alerts, dashboard, rules
from tests.lab.peers import need

EVERYTHING = "{alerts: m.prometheusAlerts, rules: m.prometheusRules, dashboards: m.grafanaDashboards}"


def evaluated(config: str = "{}") -> dict[str, Any]:
    need("jsonnet")
    text = f"local m = (import 'mixin.libsonnet') + {{_config+:: {config}}}; {EVERYTHING}"
    ran = subprocess.run(["jsonnet", "-J", str(FOLDER), "-e", text], capture_output=True, text=True, check=True)
    return dict(json.loads(ran.stdout))


def test_the_mixin_has_the_rules_the_alerts_and_the_dashboards() -> None:
    made = evaluated()
    assert {rule["alert"]: rule for group in made["alerts"]["groups"] for rule in group["rules"]} == alerts()
    assert {rule["record"]: rule for group in made["rules"]["groups"] for rule in group["rules"]} == rules()
    assert made["dashboards"] == {path.name: dashboard(path) for path in DASHBOARDS}


def test_the_mixin_takes_another_job_and_another_place_of_the_pages() -> None:
    made = evaluated("""{selector: 'job="proxy"', runbooks: 'https://wiki.example/pages'}""")
    found = {rule["alert"]: rule for group in made["alerts"]["groups"] for rule in group["rules"]}
    assert found["RegproxyDown"]["expr"] == 'up{job="proxy"} == 0'
    assert found["RegproxyDown"]["annotations"]["runbook_url"] == "https://wiki.example/pages/RegproxyDown.md"
    assert ".*regproxy.*" not in json.dumps(made["alerts"])
