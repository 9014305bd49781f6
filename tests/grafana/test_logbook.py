"""The dashboard of the log asks for fields and events that the log has."""

import io
import json
import re

import pytest

from regproxy.model.event import (
    BreakerChanged,
    DigestMismatched,
    Event,
    ExchangeFinished,
    HandshakeFailed,
    Labels,
    Outcome,
    StoreFailed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.model.pull_event import PullFinished
from regproxy.telemetry.access_log import AccessLog
from tests.grafana.shipped import Panel, panels

EVENTS: tuple[Event, ...] = (
    ExchangeFinished(
        "10.0.0.1", "quay.io", "GET", 200, 7, 1.2, Labels(Outcome.HIT, "quay", "blob", "app", "1", "rest")
    ),
    PullFinished("10.0.0.1", "quay.io", "quay", "app", "1", "partial", 7, 5, 1, 4, 12.3),
    UpstreamFinished("quay", "blob", "GET", 0, 1, 1, "dns"),
    UpstreamThrottled("quay", "quay.io", "abuse"),
    BreakerChanged("quay", "quay.io", is_open=True, cause="refused"),
    HandshakeFailed("10.0.0.1", "quay.io", "unknown_ca"),
    DigestMismatched("quay.io", "blob", "sha256:0"),
    StoreFailed("write", "full"),
)


def lines() -> list[dict[str, object]]:
    out = io.StringIO()
    log = AccessLog(out)
    for event in EVENTS:
        log.observe(event)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("panel", panels(logs=True), ids=str)
def test_a_query_asks_for_fields_of_the_lines_that_it_chooses(panel: Panel) -> None:
    for target in panel.targets:
        asked = target["expr"]
        events = set(re.findall(r'event=~?"([^"]*)"', asked)) or {"request"}
        chosen = [line for line in lines() if line["event"] in {one for event in events for one in event.split("|")}]
        assert {line["event"] for line in chosen} == {one for event in events for one in event.split("|")}
        fields = {field for line in chosen for field in line}
        filtered = re.findall(r"(?:\||or)\s*(\w+)\s*(?:=~|!=|>=|=)", asked) + re.findall(r"unwrap (\w+)", asked)
        grouped = [one for found in re.findall(r"\bby \(([^)]*)\)", asked) for one in re.split(r",\s*", found)]
        named = re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
        assert filtered
        assert {*filtered, *grouped, *named} <= fields
