"""The dashboard of the log asks for fields and events that the log has."""

import io
import json
import re
from typing import get_args

import pytest

from regproxy.model.credential_event import CredentialRejected
from regproxy.model.event import (
    BreakerChanged,
    ConnectFinished,
    DigestMismatched,
    Event,
    ExchangeFinished,
    HandshakeCause,
    HandshakeFailed,
    Labels,
    Outcome,
    StoreFailed,
    TunnelClosed,
    UpstreamFinished,
    UpstreamThrottled,
)
from regproxy.model.oci import Kind
from regproxy.model.pull_event import PullFinished, PullOutcome
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
    CredentialRejected("quay", "quay.io", "robot", "password file"),
    ConnectFinished("10.0.0.1", "quay.io", "failed", 502, "no route"),
    TunnelClosed("10.0.0.1", "quay.io", 7, 5, 12.3),
    HandshakeFailed("10.0.0.1", "quay.io", "unknown_ca"),
    DigestMismatched("quay.io", "blob", "sha256:0"),
    StoreFailed("write", "full"),
)
# What the fields with closed sets of values may hold.
VALUES = {
    "outcome": set(map(str, Outcome)),
    "kind": set(map(str, Kind)),
    "pull": set(get_args(PullOutcome)),
    "cause": set(get_args(HandshakeCause)),
}


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
        events = {one for found in re.findall(r'event[=!]~?"([^"]*)"', asked) for one in found.split("|")}
        chosen = [line for line in lines() if line["event"] in events]
        assert {line["event"] for line in chosen} == events != set()
        fields = {field for line in chosen for field in line}
        filtered = re.findall(r"(?:\||or)\s*(\w+)\s*(?:=~|!~|!=|>=|=)", asked) + re.findall(r"unwrap (\w+)", asked)
        grouped = [one for found in re.findall(r"\bby \(([^)]*)\)", asked) for one in re.split(r",\s*", found)]
        named = re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))
        assert filtered
        assert {*filtered, *grouped, *named} <= fields


def test_a_query_asks_for_values_that_a_field_may_have() -> None:
    asked = [target["expr"] for panel in panels(logs=True) for target in panel.targets]
    found = {
        (field, value)
        for expression in asked
        for field, values in re.findall(r'\b(\w+)=~?"([^"$]*)"', expression)
        for value in values.split("|")
        if field in VALUES
    }
    assert {field for field, _ in found} == set(VALUES)
    assert {(field, value) for field, value in found if value not in VALUES[field]} == set()
