"""What is mounted where: Compose, Prometheus' configuration, Grafana's provisioning and the files fit each other."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.grafana.shipped import DASHBOARDS, FOLDER, ROOT, dashboard
from tests.lab.peers import need

DEPLOY = ROOT / "deploy"
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]


def read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def mounts(service: str) -> dict[str, Path]:
    """What of the clone is seen where in a service, read-only."""
    parts = [volume.split(":") for volume in SERVICES[service]["volumes"] if volume.startswith(".")]
    return {there: (DEPLOY / here).resolve() for here, there, mode in parts if mode == "ro"}


def test_compose_builds_the_proxy_and_watches_it_only_where_that_is_asked_for() -> None:
    assert (DEPLOY / SERVICES["regproxy"]["build"] / "Dockerfile").exists()
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "regproxy": None,
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["3128:3128"]


def test_prometheus_scrapes_the_proxy_and_has_every_rule(tmp_path: Path) -> None:
    config = read(DEPLOY / "prometheus.yml")
    (job,) = config["scrape_configs"]
    assert (job["job_name"], job["static_configs"]) == ("regproxy", [{"targets": ["regproxy:9128"]}])
    seen = mounts("prometheus")
    assert seen["/etc/prometheus/prometheus.yml"] == DEPLOY / "prometheus.yml"
    rules = {name: seen[f"/etc/prometheus/{name}"] for name in config["rule_files"]}
    assert set(rules.values()) == {FOLDER / "rules.yaml", FOLDER / "alerts.yaml"}
    need("promtool")
    for name, path in rules.items():
        (tmp_path / name).write_text(path.read_text())
    file = tmp_path / "prometheus.yml"
    file.write_text((DEPLOY / "prometheus.yml").read_text())
    subprocess.run(["promtool", "check", "config", str(file)], check=True, capture_output=True, timeout=60)


def test_grafana_finds_its_data_source_and_every_dashboard() -> None:
    seen = mounts("grafana")
    provisioning = seen["/etc/grafana/provisioning"]
    (source,) = read(provisioning / "datasources" / "prometheus.yaml")["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert source["jsonData"]["timeInterval"] == read(DEPLOY / "prometheus.yml")["global"]["scrape_interval"]
    (provider,) = read(provisioning / "dashboards" / "regproxy.yaml")["providers"]
    assert sorted(seen[provider["options"]["path"]].glob("*.json")) == DASHBOARDS
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert dashboard(seen[str(home.parent)] / home.name)["uid"] == "regproxy-overview"
