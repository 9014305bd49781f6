"""All clients at one address: told of once, and only where the policy looks at addresses."""

import pytest

from regproxy.model.event import ExchangeFinished, Labels, Outcome
from regproxy.policy.load import load
from regproxy.policy.source import Source
from regproxy.telemetry.gateway import REQUESTS, Gateway

GATEWAY = "172.17.0.1"


def requests(gateway: Gateway, client: str, number: int) -> None:
    for _ in range(number):
        gateway.observe(ExchangeFinished(client, "quay.io", "GET", 200, 1, 1.0, Labels(Outcome.HIT)))


@pytest.mark.parametrize(
    ("of_the_gateway", "looks", "told"),
    [(1.0, True, True), (0.951, True, True), (0.95, True, False), (0.5, True, False), (1.0, False, False)],
)
def test_a_gateway_is_told_of_where_the_policy_looks_at_addresses(
    of_the_gateway: float, looks: bool, told: bool
) -> None:
    said: list[str] = []
    gateway = Gateway(lambda: looks, said.append)
    for _ in range(3):
        requests(gateway, GATEWAY, round(REQUESTS * of_the_gateway))
        requests(gateway, "10.0.0.1", REQUESTS - round(REQUESTS * of_the_gateway))
    assert len(said) == told, "once, however often it is so"
    assert gateway.share == max(of_the_gateway, 1 - of_the_gateway)
    assert not said or f"came from {GATEWAY}" in said[0]


def test_fewer_requests_prove_nothing() -> None:
    said: list[str] = []
    gateway = Gateway(lambda: True, said.append)
    requests(gateway, GATEWAY, REQUESTS - 1)
    assert (said, gateway.share) == ([], 0.0)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("tier a { match any; pass; }", False),
        ('tier a { match client is "10.0.0.0/8"; pass; }', True),
        ('client-group g { address "10.0.0.0/8"; } tier a { match client is g; pass; }', True),
        ('client-group g { user "ann"; } tier a { match client is g; pass; }', False),
        ('client-group g { address "10.0.0.0/8"; } tier a { match any; pass; }', False),
        ('client-group g { address "10.0.0.0/8"; } access { deny g; }', True),
        ('client-group g { address "::/8"; } registry r { hosts "r.example"; limits { reserve 1 for g; } }', True),
    ],
)
def test_a_policy_looks_at_addresses_where_something_depends_on_them(text: str, looks: bool) -> None:
    policy = load(Source("p", f"policy 1;\n{text}"), {}).policy
    assert policy is not None
    assert policy.looks_at_addresses is looks
