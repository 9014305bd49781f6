"""A repository that turns private at a real registry, for a real client: closed to strangers once it is asked about."""

import time

import pytest

from tests.e2e.conftest import ALICE, HUB, Images, Story
from tests.lab.client import Client
from tests.lab.clients import Skopeo, proxied
from tests.lab.processes import until
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

RECHECK = 4.0
REPOSITORY = "team/turning"


def test_an_image_that_turned_private_is_closed_to_strangers_by_then_and_an_outage_closes_nothing(
    story: Story, both: str, hub: Registry, images: Images
) -> None:
    image = images.small(6)
    digest = hub.push(image, f"{REPOSITORY}:1.0.0")
    hub.push(image, "team/staying:1.0.0")
    proxy = story.proxy(both.replace("defaults {", f"defaults {{ recheck {RECHECK:g}s;"), workers=2)
    environment = proxied(proxy, story.directory / "home")
    anyone = Skopeo(environment, story.directory / "anyone")
    alice = Skopeo(environment, story.directory / "alice", f"{ALICE.user}:{ALICE.password}")
    pinned = f"docker.io/{REPOSITORY}@{digest}"
    staying = f"docker.io/team/staying@{digest}"
    for reference in (pinned, staying):
        pulled = anyone.pull(reference)
        assert pulled.ok, pulled.output

    assert hub.tokens is not None
    hub.tokens.allow(REPOSITORY, ALICE)
    turned = time.monotonic()
    with Client(proxy.port, proxy.ca_file, f"{HUB}:443") as client:
        paths = [f"/v2/{REPOSITORY}/manifests/{digest}", *(f"/v2/{REPOSITORY}/blobs/{each}" for each in image.blobs)]

        def closed() -> bool:
            """Of what is answered late nothing may be open; what was asked just before may come a little later."""
            asked_at = time.monotonic()
            found = {client.get(path).status for path in paths}
            assert asked_at < turned + RECHECK or found == {401}
            return found == {401}

        until(closed, 60, "the image to be closed")
    assert not anyone.pull(pinned).ok
    theirs = alice.pull(pinned)
    assert theirs.ok, theirs.output

    hub.forget()
    assert anyone.pull(staying).ok
    asked = [(one.method, one.status) for one in hub.requests() if "/team/staying/" in one.path]
    assert set(asked) <= {("HEAD", 401), ("HEAD", 200)}, "that it is public still costs no pull"
    with hub.stopped():
        time.sleep(RECHECK)
        assert anyone.pull(staying).ok, "what was public is so while nobody can be asked"
        assert not anyone.pull(pinned).ok
