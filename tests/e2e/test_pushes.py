"""Real clients push through the proxy to a registry that allows it, and pull back what they pushed."""

import base64
import json
from dataclasses import replace

import pytest

from tests.e2e.conftest import ALICE, QUAY, Images, Story, hostile_block, hub_block, quay_block
from tests.lab.answers import Answer
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.clients import Containerd, Dockerd, Podman, Puller, Skopeo, proxied
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.peers import need
from tests.lab.policies import policy
from tests.lab.processes import until
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

LOGIN = f"{ALICE.user}:{ALICE.password}"
MIB, GIB = 64, 1024
TIERS = """
tier by-digest { match kind in [manifest, blob] and digest like "*"; fresh forever; }
tier tags { match kind is manifest; fresh 1h; stale if-error 1d on [error]; }
tier rest { match any; pass; }
"""


@pytest.fixture
def pushed(hub: Registry, quay: Registry, pki: Pki) -> str:
    """Both registries allow pushes, and their tags are fresh for an hour."""
    blocks = hub_block(hub, pki), quay_block(quay, pki)
    text = policy(*blocks, tiers=TIERS)
    return text.replace("tls {", "push allow;\n    tls {")


def logged_in(name: str, story: Story, proxy: Proxy) -> Puller:
    """A client with alice's login for Docker Hub."""
    need(name)
    home, folder = story.directory / "home", story.directory / name
    environment = proxied(proxy, home)
    auth = {"auth": base64.b64encode(LOGIN.encode()).decode()}
    for file in ("auth.json", "config.json"):
        (home / file).write_text(json.dumps({"auths": {"docker.io": auth, "https://index.docker.io/v1/": auth}}))
    match name:
        case "skopeo":
            return Skopeo(environment, folder, LOGIN)
        case "podman":
            return Podman(environment, folder)
        case "containerd":
            return Containerd(story.processes, environment, folder, LOGIN).start()
        case _:
            return Dockerd(story.processes, environment, folder).start()


@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_what_a_client_pushes_is_what_everyone_pulls(
    name: str, story: Story, pushed: str, hub: Registry, images: Images, soak: float
) -> None:
    image = images.sized(GIB if soak == 1 else MIB)
    reference = f"docker.io/team/{name}:1"
    old = hub.push(images.small(), f"team/{name}:1")
    proxy = story.proxy(pushed)
    anyone = Skopeo(proxied(proxy, story.directory / "nobody"), story.directory / "anyone")
    assert anyone.pull(reference).digests == {old}
    client = logged_in(name, story, proxy)
    hub.forget()

    done, output = client.push(image, reference)
    assert done, output
    asked = [request.method for request in hub.requests() if f"/v2/team/{name}/blobs/sha256:" in request.path]
    assert asked.count("HEAD") >= len(image.blobs), "only the registry knows which blobs it lacks"

    client.remove(reference)
    back = client.pull(reference)
    assert back.ok, back.output
    theirs = anyone.pull(reference)
    assert theirs.ok, theirs.output
    assert old not in theirs.digests
    assert theirs.digests <= back.digests
    hub.forget()
    assert anyone.pull(reference).digests == theirs.digests
    assert hub.requests() == [], "what was pulled back is cached as any other"
    assert ALICE.password not in proxy.process.output()


def test_who_has_no_login_pushes_only_where_the_registry_wants_none(
    story: Story, pushed: str, hub: Registry, quay: Registry, images: Images
) -> None:
    proxy = story.proxy(pushed)
    image = images.sized(2)
    anyone = story.client("skopeo", proxy)
    assert anyone.push(image, "quay.io/team/free:1")[0]
    assert anyone.pull("quay.io/team/free:1").digests == {image.digest}
    done, output = anyone.push(image, "docker.io/team/owned:1")
    assert not done
    assert "denied" in output or "authentication required" in output, output


@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_a_push_that_is_not_allowed_says_so(name: str, story: Story, both: str, hub: Registry, images: Images) -> None:
    proxy = story.proxy(both)
    client = logged_in(name, story, proxy)
    hub.forget()
    done, output = client.push(images.sized(2), "docker.io/team/refused:1")
    assert not done
    assert "pushing through this proxy is not allowed" in output
    assert [request for request in hub.requests() if request.method not in ("GET", "HEAD")] == []


def test_a_chunked_upload_and_a_deletion_by_hand(story: Story, pushed: str, quay: Registry, images: Images) -> None:
    """What `curl -T` does: 100-continue, chunks without a length, an upload in two pieces, a digest at the end."""
    proxy = story.proxy(pushed)
    layer = bytes(range(256)) * 4096
    half, digest = len(layer) // 2, sha256(layer)
    expecting = {"Expect": "100-continue", "Content-Type": "application/octet-stream"}
    with Client(proxy.port, proxy.ca_file, f"{QUAY}:443") as client:
        begun = client.request("POST", "/v2/team/hand/blobs/uploads/", {"Content-Length": "0"})
        place = begun.fields["location"]
        assert place.startswith("/v2/team/hand/blobs/uploads/")
        first = client.chunked("PATCH", place, [layer[: half // 2], layer[half // 2 : half]], expecting)
        assert (first.status, first.fields["range"]) == (202, f"0-{half - 1}")
        ranged = {"Content-Range": f"{half}-{len(layer) - 1}"} | expecting
        second = client.request("PATCH", first.fields["location"], ranged, layer[half:])
        assert (second.status, second.fields["range"]) == (202, f"0-{len(layer) - 1}")
        assert (
            client.request("PUT", f"{second.fields['location']}&digest={digest}", {"Content-Length": "0"}).status == 201
        )
        assert client.get(f"/v2/team/hand/blobs/{digest}").body == layer
        assert client.request("DELETE", f"/v2/team/hand/blobs/{digest}").status == 202
        assert client.get(f"/v2/team/hand/blobs/{digest}").status == 404


def test_a_client_that_leaves_in_the_middle_of_its_request_has_sent_none(
    story: Story, hostile: Hostile, pki: Pki
) -> None:
    """Chunks have no length: if the end of a connection were the end of a body, half of it would be done."""
    block = hostile_block(hostile, pki)
    hostile.on("registry.test", "/*", Answer(200))
    hostile.on("registry.test", "/v2/*", Answer(202))
    proxy = story.proxy(policy(replace(block, more=("push allow;",)), tiers=TIERS))
    for target in ("/v2/a/b/blobs/uploads/1", "/api/upload"):
        with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
            client.begun("PATCH", target, b"x" * 100_000)
            until(lambda: hostile.connections, 20, "the request on its way up")
        hostile.connections = 0
    with Client(proxy.port, proxy.ca_file, "registry.test:443") as client:
        assert client.get("/last").status == 200
    assert [received.path for received in hostile.requests] == ["/last"]
