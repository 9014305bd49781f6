"""A hostile upstream: redirects, lies, cuts, stalls. No wrong byte is ever a whole answer."""

import http.client
from threading import Event, Thread

import pytest

from tests.e2e.conftest import Images, Story, hostile_block
from tests.lab.answers import Answer, Generated, blob, image_answers, redirect
from tests.lab.certificates import Pki
from tests.lab.client import Client, Reply
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, sha256
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy

HOST = "registry.test"
DATA = bytes(range(256)) * 4096  # 1 MiB
PATH = f"/v2/team/app/blobs/{sha256(DATA)}"


@pytest.fixture
def proxy(story: Story, hostile: Hostile, pki: Pki) -> Proxy:
    """A proxy before the hostile registry."""
    hostile.on(HOST, "/v2/", Answer(200, body=b"{}"))
    return story.proxy(policy(hostile_block(hostile, pki)))


def get(proxy: Proxy, path: str, **fields: str) -> Reply:
    """One GET on a connection of its own."""
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        return client.request("GET", path, fields)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_redirect_is_followed_without_credentials_and_stored_once(
    status: int, proxy: Proxy, hostile: Hostile
) -> None:
    hostile.on(HOST, PATH, redirect(status, "/moved"))
    hostile.on(HOST, "/moved", redirect(status, "https://cdn.test/signed?key=secret"))
    hostile.on("cdn.test", "/signed", blob(DATA))
    assert get(proxy, PATH).body == DATA
    assert get(proxy, PATH).body == DATA
    assert len(hostile.seen("cdn.test")) == 1
    assert hostile.seen("cdn.test")[0].field("authorization") == ""
    assert "key=secret" not in proxy.process.output()


EVERY_ANSWER = [
    ("GET", "/v2/", {}, 401),
    ("GET", "/v2/_regproxy/token?service=x", {}, 200),
    ("POST", "/v2/_regproxy/token", {}, 200),
    ("GET", "/v2/team/app/manifests/none", {}, 404),
    ("GET", "/v2/team/../app/manifests/none", {}, 400),
    ("GET", "/v2/", {"Host": "other.test"}, 421),
    ("PUT", "/v2/team/app/manifests/1", {}, 405),
    ("get", "/v2/", {}, 501),
    ("GET", "/v2/team/app/manifests/astray", {}, 502),
    ("GET", "/v2/team/app/manifests/cold", {"Cache-Control": "only-if-cached"}, 504),
    ("HEAD", PATH, {}, 200),
    ("GET", PATH, {}, 200),
    ("GET", PATH, {"Range": "bytes=5-9"}, 206),
    ("GET", PATH, {"Range": f"bytes={len(DATA)}-"}, 416),
    ("GET", PATH, {"If-None-Match": f'"{sha256(DATA)}"'}, 304),
    ("GET", "/login", {}, 302),
    ("GET", "/broken", {}, 500),
    ("GET", "/v2/team/app/manifests/limited", {}, 429),
]


def test_every_answer_carries_cache_status_and_the_seeds_fields(proxy: Proxy, hostile: Hostile) -> None:
    hostile.on(HOST, PATH, blob(DATA))
    hostile.on(HOST, "/v2/team/app/manifests/limited", Answer(429))
    hostile.on(HOST, "/v2/team/app/manifests/astray", redirect(307, "http://cdn.test/x"))
    hostile.on(HOST, "/login", redirect(302, "/home"))
    hostile.on(HOST, "/broken", Answer(500, body=b"no"))
    for method, path, fields, status in EVERY_ANSWER:
        with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
            reply = client.request(method, path, fields)
        assert (method, path, reply.status) == (method, path, status)
        assert reply.fields["cache-status"].startswith("regproxy; ")
        assert reply.fields["x-docker-registry-proxy-cache-upstream-status"].isupper()
        assert reply.fields["x-docker-registry-proxy-cache-type"]
    lines = proxy.access(at_least=len(EVERY_ANSWER))
    assert [line["status"] for line in lines] == [status for *_, status in EVERY_ANSWER], "one log line each"


def test_a_redirect_loop_ends_in_502(proxy: Proxy, hostile: Hostile) -> None:
    hostile.on(HOST, PATH, redirect(302, PATH))
    assert get(proxy, PATH).status == 502
    assert len(hostile.seen(HOST, PATH)) <= 6


def test_wrong_bytes_never_arrive_whole_and_are_never_stored(proxy: Proxy, hostile: Hostile) -> None:
    wrong = DATA[:-1] + b"x"
    hostile.on(HOST, PATH, blob(wrong), blob(wrong), blob(wrong), blob(wrong), blob(DATA))
    for _ in range(5):
        try:
            reply = get(proxy, PATH)
        except http.client.IncompleteRead as cut:
            assert len(cut.partial) < len(DATA)
            continue
        assert reply.status == 502 or reply.body == DATA
    assert get(proxy, PATH).body == DATA


@pytest.mark.parametrize("reset", [False, True])
def test_a_body_that_breaks_is_resumed(reset: bool, proxy: Proxy, hostile: Hostile) -> None:
    broken = Answer(200, (), DATA, cut=len(DATA) // 2, reset=reset, ranges=True)
    hostile.on(HOST, PATH, broken, blob(DATA))
    assert get(proxy, PATH).body == DATA
    first, second = hostile.seen(HOST, PATH)
    assert first.field("range") == ""
    assert second.field("range").startswith("bytes=")


def test_a_body_that_stays_short_ends_as_an_abort_and_is_logged_as_one(proxy: Proxy, hostile: Hostile) -> None:
    half = len(DATA) // 2
    hostile.on(HOST, PATH, Answer(200, (), DATA[:half], claim=len(DATA), cut=half))
    try:
        assert get(proxy, PATH).status == 502
    except http.client.IncompleteRead as cut:
        assert len(cut.partial) <= half
    except ConnectionError:
        pass
    (line,) = proxy.access(at_least=1)
    assert (line["authority"], line["repository"], line["kind"]) == (HOST, "team/app", "blob")
    assert line["outcome"] not in {"local", "hit"}
    assert line["complete"] is False or line["status"] == 502


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_body_of_unknown_length_is_cached_when_its_digest_is_right(
    framing: str, proxy: Proxy, hostile: Hostile
) -> None:
    hostile.on(HOST, PATH, Answer(200, (), DATA, framing="chunked" if framing == "chunked" else "close"))
    assert get(proxy, PATH).body == DATA
    assert get(proxy, PATH).body == DATA
    assert len(hostile.seen(HOST, PATH)) == 1


def test_readers_share_one_fetch_and_are_served_while_it_fills(proxy: Proxy, hostile: Hostile) -> None:
    gate = Event()
    body = Generated(8 * MIB)
    path = f"/v2/team/app/blobs/{body.digest}"
    hostile.on(HOST, path, Answer(200, (), body, hold=4 * MIB, gate=gate, ranges=True))
    digests: list[str] = []
    readers = [Thread(target=lambda: digests.append(get(proxy, path).digest)) for _ in range(8)]
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        response = client.send("GET", path)
        assert len(response.read(2 * MIB)) == 2 * MIB, "bytes flow before upstream is done"
        for reader in readers:
            reader.start()
        part = get(proxy, path, Range="bytes=1048576-1048677")
        assert (part.status, len(part.body)) == (206, 102)
        gate.set()
        assert len(response.read()) == 6 * MIB
    for reader in readers:
        reader.join(30)
    assert digests == [body.digest] * 8
    assert len(hostile.seen(HOST, path)) == 1


def test_a_limit_on_a_warm_tag_is_absorbed(story: Story, hostile: Hostile, pki: Pki, images: Images) -> None:
    image = images.small()
    hostile.serve(HOST, image_answers(image, "team/app", "latest"))
    tiers = "defaults { stale if-error 7d on [error, 429, 5xx]; }\ntier tags { match any; fresh 0s; }\n"
    proxy = story.proxy(policy(hostile_block(hostile, pki), tiers=tiers))
    path = "/v2/team/app/manifests/latest"
    assert get(proxy, path, Accept=image.top.media_type).digest == image.digest
    for status in (429, 500, 503):
        hostile.on(HOST, path, Answer(status, (("Retry-After", "60"),)))
        reply = get(proxy, path, Accept=image.top.media_type)
        assert (reply.status, reply.digest) == (200, image.digest)
        assert "stale" in reply.fields["cache-status"]
    methods = [request.method for request in hostile.seen(HOST, path)]
    assert methods[0] == "GET"
    assert set(methods[1:]) == {"HEAD"}, "a limit on a HEAD is never followed by a GET"


def test_a_limit_on_a_cold_tag_reaches_the_client(proxy: Proxy, hostile: Hostile) -> None:
    path = "/v2/team/app/manifests/latest"
    hostile.on(HOST, path, Answer(429, (("Retry-After", "300"),), b"slow down"))
    for _ in range(2):
        reply = get(proxy, path)
        assert (reply.status, reply.fields["retry-after"]) == (429, "60")
        assert reply.reason.startswith(f"regproxy: {HOST} limits the requests of this proxy (429); asked again at ")
        assert reply.reason.encode() in reply.body
    assert len(hostile.seen(HOST, path)) == 1
    assert proxy.metrics()['regproxy_upstream_throttled_total{reason="abuse",registry="hostile"}'] == 1


def test_one_stalled_body_holds_nobody_else_up(proxy: Proxy, hostile: Hostile) -> None:
    gate = Event()
    hostile.on(HOST, PATH, Answer(200, (), DATA, hold=len(DATA) // 2, gate=gate))
    stalled: list[bytes] = []
    reader = Thread(target=lambda: stalled.append(get(proxy, PATH).body))
    reader.start()
    until(lambda: hostile.seen(HOST, PATH), 20, "the upstream request")
    other = Generated(MIB, 2)
    hostile.on(HOST, f"/v2/team/app/blobs/{other.digest}", blob(other))
    assert get(proxy, f"/v2/team/app/blobs/{other.digest}").digest == other.digest
    assert stalled == []
    gate.set()
    reader.join(30)
    assert stalled == [DATA]


def test_two_authorities_of_one_name_are_two_registries(story: Story, hostile: Hostile, pki: Pki) -> None:
    with Hostile(pki.leaf(HOST)) as other:
        block = hostile_block(hostile, pki)
        text = policy(block).replace(f'hosts "{HOST}"', f'hosts "{HOST}" "{HOST}:5000"')
        text = text.replace("upstream {", f'upstream {{ connect-to "{HOST}:5000" "127.0.0.1:{other.port}";')
        proxy = story.proxy(text)
        path = "/v2/team/app/manifests/latest"
        for server, host, body in ((hostile, HOST, b'{"a":1}'), (other, f"{HOST}:5000", b'{"b":2}')):
            kind = ("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            server.on(host, path, Answer(200, (kind, ("Docker-Content-Digest", sha256(body))), body))
        assert get(proxy, path).body == b'{"a":1}'
        with Client(proxy.port, proxy.ca_file, f"{HOST}:5000") as client:
            assert client.get(path).body == b'{"b":2}'
        assert get(proxy, path).body == b'{"a":1}'
