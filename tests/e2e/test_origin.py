"""`fresh origin` in the program: a path of a named host as its origin describes it, over processes and their deaths."""

from tests.e2e.conftest import Story
from tests.lab.answers import Answer, Received
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.policies import Block, policy

HOST = "git.test"
TIERS = """
tier charts { match kind is other; fresh origin; stale if-error 1d on $outage; }
tier rest { match any; pass; }
"""
INDEX = b"entries: {}\n" * 20_000


def _index(request: Received) -> Answer:
    fields = (("Cache-Control", "max-age=3600"), ("ETag", '"1"'), ("Content-Type", "text/yaml"))
    return Answer(304, fields) if request.field("if-none-match") == '"1"' else Answer(200, fields, INDEX)


def test_an_index_is_fetched_once_and_outlives_the_origin_and_the_proxy(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    block = Block("charts", (HOST,), {HOST: hostile.port}, pki.root)
    proxy = story.proxy(policy(block, tiers=TIERS), workers=2)
    hostile.on(HOST, "/index.yaml", _index)
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        replies = [client.get("/index.yaml") for _ in range(3)]
        assert {reply.body for reply in replies} == {INDEX}
        assert [reply.fields["cache-status"].partition(";")[2].strip() for reply in replies] == [
            "fwd=uri-miss; stored",
            "hit",
            "hit",
        ]
        part = client.request("GET", "/index.yaml", {"Range": "bytes=2-5"})
        assert (part.status, part.body) == (206, INDEX[2:6])
        same = client.request("GET", "/index.yaml", {"If-None-Match": '"1"'})
        assert (same.status, same.body, same.fields["etag"]) == (304, b"", '"1"')
        asked = client.request("GET", "/index.yaml", {"Cache-Control": "no-cache"})
        assert (asked.body, asked.fields["cache-status"]) == (INDEX, "regproxy; fwd=stale; detail=revalidated")
    assert [received.method for received in hostile.seen(HOST)] == ["GET", "GET"]
    hostile.stop()
    proxy.kill()
    proxy.start()
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        assert client.get("/index.yaml").body == INDEX
        forced = client.request("GET", "/index.yaml", {"Cache-Control": "no-cache"})
        assert (forced.status, forced.fields["cache-status"]) == (200, "regproxy; hit; detail=stale")


def test_what_is_changed_through_the_proxy_is_asked_for_again(story: Story, hostile: Hostile, pki: Pki) -> None:
    block = Block("charts", (HOST,), {HOST: hostile.port}, pki.root)
    proxy = story.proxy(policy(block, tiers=TIERS), workers=2)
    hostile.on(HOST, "/index.yaml", _index)
    hostile.on(HOST, "/api/charts", Answer(201, (("Content-Location", "/index.yaml"),), b"{}"))
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        client.get("/index.yaml")
        assert client.get("/index.yaml").fields["cache-status"] == "regproxy; hit"
        assert client.request("POST", "/api/charts", body=b"a chart").status == 201
        assert client.get("/index.yaml").fields["cache-status"] == "regproxy; fwd=uri-miss; stored"
