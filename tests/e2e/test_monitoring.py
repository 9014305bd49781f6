"""Dashboards, rules and alerts against a real Prometheus that watches a real proxy under real traffic."""

import math
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.grafana.shipped import FOLDER, VARIABLES, Panel, alerts, choices, marks, panels, resolved, rules
from tests.grafana.traffic import GCR, GHCR, HUB, QUAY, TOKENS, Registries, Traffic, happen
from tests.lab.certificates import Pki
from tests.lab.hostile import Hostile
from tests.lab.hub import Hub
from tests.lab.peers import need
from tests.lab.processes import Processes, free_port, until
from tests.lab.prometheus import Api, Prometheus, Series
from tests.lab.proxy import Proxy

# Seconds of each of the five phases of the traffic: a minute in all with --soak.
PHASE, SHORTEST = 12.0, 4.0
PATIENCE = 60.0
# What minutes, hours and days are shortened to, in rules and in panels.
WINDOW = "8s"
# What the traffic makes fire; every other alert has to be quiet.
EXPECTED = {
    ("RegproxyAccountHeldBack", "ghcr"),
    ("RegproxyAccountHeldBack", "hub"),
    ("RegproxyCacheChurn", ""),
    ("RegproxyClientErrorsHigh", "quay"),
    ("RegproxyClientsDistrustCa", ""),
    ("RegproxyClientsRateLimited", "hub"),
    ("RegproxyCredentialsRejected", "gcr"),
    ("RegproxyDown", ""),
    ("RegproxyIntegrityFailure", ""),
    ("RegproxyPolicyReloadFailed", ""),
    ("RegproxyPullsFail", "hub"),
    ("RegproxyPullsFail", "quay"),
    ("RegproxyRateLimitAbsorbed", "ghcr"),
    ("RegproxyRateLimitNearlyExhausted", "hub"),
    ("RegproxyUpstreamDown", "quay"),
}
# What a busy machine may make fire: they are about the machine, not about the traffic.
MACHINE = {"RegproxyEventLoopBlocked", "RegproxyProcessSaturated", "RegproxyUpstreamSlow"}
# Panels that are rightly empty here, each with the reason.
EMPTY = {
    "overview: Does the disk refuse?": "it does not",
    "overview: Do clients find room?": "all of them",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """What Prometheus saw from `start` to `end`."""

    proxy: Proxy
    prometheus: Prometheus
    start: float
    end: float

    @property
    def shown(self) -> dict[str, str]:
        """What Grafana would put in place of its variables."""
        return VARIABLES | {"$__rate_interval": WINDOW, "$__range": f"{self.end - self.start:.0f}s"}

    def answers(self, panel: Panel) -> list[Series]:
        """What Grafana would draw: the panel's queries over the whole time, or at its end."""
        found: list[Series] = []
        for target in panel.targets:
            query = resolved(target["expr"], self.shown)
            over = (self.start, self.end)
            found += self.prometheus.api.query(query) if target["instant"] else self.prometheus.api.over(query, *over)
        return found


def shortened(name: str, folder: Path) -> Path:
    """A rule file whose windows and waits are those of a test: minutes, hours and days become seconds."""
    text = re.sub(r"\[\d+[mhd]\]", f"[{WINDOW}]", (FOLDER / name).read_text())
    text = re.sub(r"offset \d+[mhd]", f"offset {WINDOW}", re.sub(r"for: \d+[mhd]", "for: 2s", text))
    file = folder / name
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def watched(pki: Pki, soak: float, request: pytest.FixtureRequest) -> Iterator[Watched]:
    need("prometheus")
    public, away = Hostile(pki.leaf(HUB, GHCR, GCR, TOKENS)), Hostile(pki.leaf(QUAY))
    with tempfile.TemporaryDirectory(prefix="regproxy-") as name, public, away, Processes(Path(name) / "logs") as owner:
        folder = Path(name)
        registries = Registries(public, away, Hub(HUB, time.monotonic, limit=1000), pki)
        workers = str(request.config.getoption("--workers"))
        proxy = Proxy(owner, folder / "proxy", registries.policy(), arguments=("--workers", workers)).start()
        files = [shortened(file, folder) for file in ("rules.yaml", "alerts.yaml")]
        targets = [f"127.0.0.1:{proxy.metrics_port}", f"127.0.0.1:{free_port()}"]
        prometheus = Prometheus(owner, folder / "prometheus", targets, files).start()
        # Prometheus looks for targets every five seconds; what happened before its first look would not be seen.
        until(lambda: prometheus.api.query("up == 1"), 20, "the first scrape")
        traffic = Traffic(proxy, registries, pki.root, prometheus.port)
        start = time.time()
        traffic.start()
        happen(proxy, registries, max(PHASE * soak, SHORTEST))
        # On a busy machine traffic is thin, and rules are worked out late; what never fires is told below.
        with suppress(AssertionError):
            until(lambda: fired(prometheus.api, start, time.time()) >= EXPECTED, PATIENCE, "the alerts")
        traffic.stop()
        yield Watched(proxy, prometheus, start, time.time())


def fired(api: Api, start: float, end: float) -> set[tuple[str, str]]:
    """Which alerts fired meanwhile, and about which registry; without what is about the machine."""
    found = api.over('ALERTS{alertstate="firing"}', start, end)
    named = {(series.labels["alertname"], series.labels.get("registry", "")) for series in found}
    return {(name, registry) for name, registry in named if name not in MACHINE}


def test_every_rule_is_worked_out_without_an_error(watched: Watched) -> None:
    found = watched.prometheus.api.rules()
    assert {rule["name"] for rule in found} == set(rules()) | set(alerts())
    assert {rule["name"]: rule.get("lastError") for rule in found if rule["health"] != "ok"} == {}


@pytest.mark.parametrize("panel", panels(), ids=str)
def test_every_panel_has_data(watched: Watched, panel: Panel) -> None:
    numbers = [value for series in watched.answers(panel) for value in series.values if not math.isnan(value)]
    assert bool(numbers) is (str(panel) not in EMPTY)


@pytest.mark.parametrize("panel", [panel for panel in panels() if panel.raw["type"] == "table"], ids=str)
def test_every_column_of_a_table_has_data(watched: Watched, panel: Panel) -> None:
    (names,) = [one["options"]["renameByName"] for one in panel.raw["transformations"] if one["id"] == "organize"]
    columns = [watched.prometheus.api.query(resolved(target["expr"], watched.shown)) for target in panel.targets]
    assert all(columns)
    labels = {label for series in columns[0] for label in series.labels}
    assert {name for name in names if not name.startswith("Value")} <= labels


@pytest.mark.parametrize(("place", "expression"), [*marks(), *choices()], ids=lambda text: text[:40])
def test_what_marks_the_graphs_and_what_can_be_chosen_has_data(watched: Watched, place: str, expression: str) -> None:
    assert watched.prometheus.api.over(resolved(expression, watched.shown), watched.start, watched.end), place


def test_the_alerts_that_should_fire_do_and_the_others_do_not(watched: Watched) -> None:
    assert fired(watched.prometheus.api, watched.start, watched.end) == EXPECTED


def test_prometheus_own_tool_has_nothing_to_say_of_the_page(watched: Watched) -> None:
    need("promtool")
    _, page = watched.proxy.get("/metrics", watched.proxy.metrics_port)
    ran = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr.decode()) == (0, "")
