"""What `grafana/` ships, read as Grafana and Prometheus read it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "grafana"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
# What Grafana puts in place of its variables, as Prometheus gets it for one instance that is scraped every second.
VARIABLES = {"$__rate_interval": "5s", "$__range": "60s", "$job": ".+", "$instance": ".+", "$registry": ".+"}
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}(\[[^\]]*\])?")
_NAME = re.compile(r"(?<![\"\w:])(?:[\w]+:)?(?:regproxy|process|python)_\w+(?::\w+)?|(?<![\w\"])up(?=\{)")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of a dashboard; `raw` is its JSON."""

    dashboard: str
    raw: dict[str, Any]

    @property
    def title(self) -> str:
        return str(self.raw["title"])

    @property
    def targets(self) -> list[dict[str, Any]]:
        return list(self.raw["targets"])

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.title}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Where an expression reads series: the metric, the labels it is asked by, and the range, if any."""

    metric: str
    matchers: str
    range: str


def dashboard(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def panels(*, logs: bool = False) -> list[Panel]:
    """All panels that ask Prometheus, or those that ask Loki."""
    found = [Panel(path.stem, raw) for path in DASHBOARDS for raw in dashboard(path)["panels"] if raw["type"] != "row"]
    return [panel for panel in found if (panel.raw["datasource"]["type"] == "loki") == logs]


def groups(name: str) -> list[dict[str, Any]]:
    """The rules of a rule file."""
    loaded = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def rules() -> dict[str, dict[str, Any]]:
    """Recording rules by the series that they make."""
    return {rule["record"]: rule for rule in groups("rules.yaml")}


def alerts() -> dict[str, dict[str, Any]]:
    """Alerts by name."""
    return {rule["alert"]: rule for rule in groups("alerts.yaml")}


def marks() -> list[tuple[str, str]]:
    """The queries of annotations, with the place where each stands."""
    return [
        (f"{path.stem}: {mark['name']}", mark["expr"])
        for path in DASHBOARDS
        for mark in dashboard(path)["annotations"].get("list", [])
    ]


def choices() -> list[tuple[str, str]]:
    """The series that the variables' values come from, with the place where each stands."""
    return [
        (f"{path.stem}: ${variable['name']}", selector)
        for path in DASHBOARDS
        for variable in dashboard(path)["templating"]["list"]
        for selector in re.findall(r"^label_values\((.+), \w+\)$", str(variable["query"]))
    ]


def expressions() -> list[tuple[str, str]]:
    """Every PromQL expression that is shipped, with the place where it stands."""
    asked = [(str(panel), target["expr"]) for panel in panels() for target in panel.targets]
    return [*asked, *marks(), *((name, rule["expr"]) for name, rule in (rules() | alerts()).items())]


def selectors(expression: str) -> list[Selector]:
    return [Selector(*found) for found in _SELECTOR.findall(expression)]


def metrics(expression: str) -> set[str]:
    """The names of the series that an expression reads, recorded ones included."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', '""', expression)))


def resolved(expression: str, variables: dict[str, str] = VARIABLES) -> str:
    """An expression with values in place of Grafana's variables."""
    for name, value in variables.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression
