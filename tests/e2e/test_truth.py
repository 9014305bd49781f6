"""Metrics tell the truth: against what the client saw, what the registry logged, and what our own log says."""

import random
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import QUAY, Images, Story, hostile_block, quay_block
from tests.lab.answers import pull_limited
from tests.lab.certificates import Pki
from tests.lab.client import Client, Reply
from tests.lab.hostile import Hostile
from tests.lab.images import Image
from tests.lab.peers import need
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

LIMITED = "registry.test"
REPOSITORY = "team/truth"
ACCEPT = {"Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, */*"}
Asked = tuple[str, str, str, dict[str, str]]


def requests(image: Image, count: int, chance: random.Random) -> Iterator[Asked]:
    """Requests of many sorts: host, method, path and fields."""
    blobs, manifests = sorted(image.blobs), sorted(image.manifests)
    for _ in range(count):
        reference = chance.choice(["v1", "v1", image.digest, *manifests, "missing"])
        blob = f"/v2/{REPOSITORY}/blobs/{chance.choice(blobs)}"
        start = chance.randrange(100)
        yield chance.choice(
            [
                (QUAY, "GET", f"/v2/{REPOSITORY}/manifests/{reference}", ACCEPT),
                (QUAY, "HEAD", f"/v2/{REPOSITORY}/manifests/{reference}", ACCEPT),
                (QUAY, "GET", blob, {}),
                (QUAY, "GET", blob, {"Range": f"bytes={start}-{start + 50}"}),
                (QUAY, "GET", f"/v2/{REPOSITORY}/tags/list", {}),
                (QUAY, "GET", "/v2/", {}),
                (QUAY, "PUT", f"/v2/{REPOSITORY}/manifests/v2", {}),
                (LIMITED, "GET", f"/v2/team/app/manifests/{chance.randrange(5)}", ACCEPT),
            ]
        )


def total(samples: dict[str, float], name: str, *labels: str) -> float:
    """The sum of a metric over all series that have these labels."""
    return sum(
        value
        for series, value in samples.items()
        if series.partition("{")[0] == name and all(label in series for label in labels)
    )


def by(samples: dict[str, float], name: str, label: str, *labels: str) -> Counter[str]:
    """A metric by the values of one label."""
    found: Counter[str] = Counter()
    for series, value in samples.items():
        if series.partition("{")[0] == name and all(one in series for one in labels) and value:
            found[series.partition(f'{label}="')[2].partition('"')[0]] += round(value)
    return found


@pytest.fixture
def told(
    story: Story, quay: Registry, hostile: Hostile, pki: Pki, images: Images, soak: float, seed: int
) -> tuple[Proxy, list[tuple[Asked, Reply]]]:
    """A proxy that has answered a thousand requests of all sorts, a tenth of them without --soak."""
    image = images.small(41)
    quay.push(image, f"{REPOSITORY}:v1")
    quay.forget()
    limit = pull_limited(("Retry-After", "1"))
    hostile.on(LIMITED, "/v2/", limit)
    hostile.on(LIMITED, "/v2/team/app/manifests/*", limit)
    proxy = story.proxy(policy(quay_block(quay, pki), hostile_block(hostile, pki)))
    seen = []
    for asked in requests(image, round(1000 * soak), random.Random(seed)):
        host, method, path, fields = asked
        with Client(proxy.port, proxy.ca_file, f"{host}:443") as client:
            seen.append((asked, client.request(method, path, fields)))
    answered = len(seen)
    until(lambda: total(proxy.metrics(), "regproxy_http_requests_total") == answered, 20, "all are counted")
    return proxy, seen


def test_counters_agree_with_the_client_the_registry_and_the_log(
    told: tuple[Proxy, list[tuple[Asked, Reply]]], quay: Registry, hostile: Hostile
) -> None:
    proxy, seen = told
    samples = proxy.metrics()
    # What the client saw.
    for host, registry in ((QUAY, "quay"), (LIMITED, "hostile")):
        name = f'registry="{registry}"'
        mine = [(asked, reply) for asked, reply in seen if asked[0] == host]
        codes = Counter(str(reply.status) for _, reply in mine)
        assert by(samples, "regproxy_http_requests_total", "code", name) == codes
        assert total(samples, "regproxy_response_bytes_total", name) == sum(len(reply.body) for _, reply in mine)
    hits = sum(reply.fields["cache-status"] == "regproxy; hit" for _, reply in seen)
    assert hits
    assert total(samples, "regproxy_cache_requests_total", 'outcome="hit"') == hits
    assert total(samples, "regproxy_http_first_byte_seconds_count") == len(seen)
    # What the registry logged.
    logged = quay.requests()
    assert by(samples, "regproxy_upstream_requests_total", "method", 'registry="quay"') == Counter(
        request.method for request in logged
    )
    assert by(samples, "regproxy_upstream_requests_total", "code", 'registry="quay"') == Counter(
        str(request.status) for request in logged
    )
    assert total(samples, "regproxy_upstream_received_bytes_total", 'registry="quay"') == sum(
        request.bytes for request in logged if request.method == "GET"
    )
    # 429s: those that the registry gave, and those that reached a client.
    given = len(hostile.seen(LIMITED))
    assert given
    assert total(samples, "regproxy_upstream_throttled_total", 'registry="hostile"') == given
    assert total(samples, "regproxy_upstream_requests_total", 'code="429"') == given
    # What our own log says.
    lines = proxy.access()
    assert by(samples, "regproxy_cache_requests_total", "outcome") == Counter(str(line["outcome"]) for line in lines)
    tiers = Counter(str(line["tier"]) for line in lines if line["tier"])
    assert by(samples, "regproxy_policy_decisions_total", "tier") == tiers
    spent = total(samples, "regproxy_ratelimit_spent_pulls_total", 'registry="quay"')
    assert spent == sum(request.method == "GET" and "/manifests/" in request.path for request in logged)


def test_a_real_scrape_is_as_prometheus_wants_it(told: tuple[Proxy, list[tuple[Asked, Reply]]]) -> None:
    need("promtool")
    proxy, _ = told
    page = proxy.get("/metrics", proxy.metrics_port)[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    openmetrics = proxy.get("/metrics", proxy.metrics_port, accept="application/openmetrics-text;version=1.0.0")[1]
    assert openmetrics.endswith(b"# EOF\n")
    until(lambda: total(proxy.metrics(), "regproxy_event_loop_lag_seconds_count") > 0, 20, "a look at the loop")
    assert total(proxy.metrics(), "regproxy_client_tls_handshakes_total", 'result="ok"') > 0
