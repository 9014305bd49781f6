"""Traces at an OpenTelemetry collector: a client's, through the proxy, down to what a registry was asked."""

import time

import pytest

from tests.e2e.conftest import Story, hostile_block
from tests.lab.answers import Answer, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.collector import attributes, collecting
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import policy
from tests.lab.processes import free_port, until

pytestmark = pytest.mark.real
HOST, TYPE = "registry.test", "application/vnd.oci.image.manifest.v1+json"
TAG = "/v2/team/secret-app/manifests/v1"
MANIFEST = b'{"schemaVersion":2,"mediaType":"%s","layers":[]}' % TYPE.encode()
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PASSWORD = "Basic YW5uOm5vYm9keS1zaG91bGQtc2VlLXRoaXM="
SERVER, CLIENT = 2, 3


def test_a_clients_trace_goes_on_to_the_registry_and_says_nothing_secret(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    hostile.on(HOST, TAG, manifest(MANIFEST, TYPE, sha256(MANIFEST)))
    hostile.on(HOST, "/x", Answer(200, body=b"hello"))
    with collecting() as collector:
        proxy = story.proxy(policy(hostile_block(hostile, pki)), arguments=("--otel-endpoint", collector.url))
        with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
            recorded = {"traceparent": f"00-{TRACE}-{PARENT}-01", "Accept": TYPE}
            assert client.get(TAG, **recorded).status == 200
            assert client.get(TAG, **(recorded | {"traceparent": f"00-{'a' * 32}-{PARENT}-00"})).status == 200
            assert client.get(TAG, Accept=TYPE).status == 200
            assert client.get("/x?token=hush", Authorization=PASSWORD).status == 200
        assert proxy.stop() == 0
        spans = collector.spans()
    mine = [span for span in spans if span.trace_id.hex() == TRACE]
    (served,) = [span for span in mine if span.kind == SERVER]
    (asked,) = [span for span in mine if span.kind == CLIENT]
    assert served.parent_span_id.hex() == PARENT
    assert asked.parent_span_id == served.span_id
    assert served.start_time_unix_nano <= asked.start_time_unix_nano
    assert asked.end_time_unix_nano <= served.end_time_unix_nano
    told = attributes(served)
    assert (told["regproxy.registry"], told["regproxy.kind"], told["regproxy.outcome"]) == (
        "hostile",
        "manifest",
        "miss",
    )
    assert attributes(asked)["http.response.status_code"] == 200
    assert "a" * 32 not in {span.trace_id.hex() for span in spans}, "its client does not record it"
    others = [span for span in spans if span.kind == SERVER and span.trace_id.hex() != TRACE]
    assert {attributes(span)["regproxy.outcome"] for span in others} == {"hit", "pass"}
    lines = {line.get("trace_id") for line in proxy.log() if line["event"] == "request"}
    assert lines == {TRACE, "a" * 32, *(span.trace_id.hex() for span in others)}
    for word in (b"secret-app", b"hush", b"YW5u", b"127.0.0.1"):
        assert all(word not in body for body in collector.bodies)


def test_a_collector_that_is_away_costs_no_pull_and_no_stop(story: Story, hostile: Hostile, pki: Pki) -> None:
    hostile.on(HOST, "/x", Answer(200, body=b"hello"))
    flags = ("--otel-endpoint", f"http://127.0.0.1:{free_port()}")
    proxy = story.proxy(policy(hostile_block(hostile, pki)), arguments=flags)
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        for _ in range(10):
            assert client.get("/x").body == b"hello"
    until(lambda: "traces: " in str([line.get("message") for line in proxy.log()]), 20, "a word about it")
    stopping = time.monotonic()
    assert proxy.stop() == 0
    assert time.monotonic() - stopping < 10
