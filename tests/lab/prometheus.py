"""Debian's Prometheus with rule files, scraping on loopback as often as we say."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.processes import Processes, free_port


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and its values in the order of time."""

    labels: dict[str, str]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Api:
    """What a Prometheus at `address` answers; ValueError with its own words where it refuses."""

    address: str

    def ready(self) -> bool:
        """Whether it takes queries."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def query(self, expression: str) -> list[Series]:
        """What an expression is at this moment."""
        return self._series("query", query=expression)

    def over(self, expression: str, start: float, end: float, step: float = 1.0) -> list[Series]:
        """What it was from `start` to `end`, in seconds since the epoch."""
        return self._series("query_range", query=expression, start=str(start), end=str(end), step=str(step))

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health and last error."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _series(self, kind: str, **parameters: str) -> list[Series]:
        found = self._get(f"{kind}?{urllib.parse.urlencode(parameters)}")["result"]
        return [
            Series(one["metric"], [float(value) for _, value in one.get("values") or [one["value"]]]) for one in found
        ]

    def _get(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}", timeout=20) as answer:
                return dict(json.loads(answer.read())["data"])
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode()) from error


class Prometheus:
    """One server of the owner's; the job that it scrapes is called regproxy, its targets are `host:port`."""

    def __init__(
        self, processes: Processes, directory: Path, targets: Sequence[str], rules: Sequence[Path], every: str = "1s"
    ) -> None:
        directory.mkdir(parents=True)
        self.port = free_port()
        self.api = Api(f"127.0.0.1:{self.port}")
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{"job_name": "regproxy", "static_configs": [{"targets": list(targets)}]}],
        }
        file = directory / "prometheus.json"
        # JSON is YAML, too.
        file.write_text(json.dumps(config))
        command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={directory / 'data'}"]
        self.process = processes.add("prometheus", [*command, f"--web.listen-address={self.api.address}"])

    def start(self) -> "Prometheus":
        """Start, and wait until it answers queries."""
        self.process.start()
        self.process.wait_ready(self.api.ready)
        return self
