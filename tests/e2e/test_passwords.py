"""A registry that knows passwords and no tokens: real clients log in to it, and their warm pulls ask it nothing."""

import base64
import json

import pytest

from tests.e2e.conftest import ALICE, Images, Story
from tests.lab.certificates import Pki
from tests.lab.clients import Containerd, Dockerd, Podman, Puller, Skopeo, proxied
from tests.lab.peers import need
from tests.lab.policies import Block, policy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real
HOST = "vault.test"
REFERENCE = f"{HOST}/team/app:1.0.0"
HTPASSWD = f"{ALICE.user}:$2y$05$abcdefghijklmnopqrstuuA0vov2GDneHB3.8.cv9UF9g.RdvScIW\n"  # wonderland


@pytest.mark.parametrize("name", ["skopeo", "podman", "containerd", "dockerd"])
def test_a_client_logs_in_with_its_password_and_pulls_again_with_the_registry_gone(
    name: str, story: Story, pki: Pki, images: Images
) -> None:
    need("docker-registry", name)
    registry = Registry(story.processes, story.directory, HOST, pki.leaf(HOST), accounts=HTPASSWD)
    registry.start()
    digest = registry.push(images.small(6), "team/app:1.0.0")
    proxy = story.proxy(policy(Block("vault", (HOST,), {HOST: registry.port}, pki.root)))
    home, folder = story.directory / "home", story.directory / name
    environment = proxied(proxy, home)
    login = f"{ALICE.user}:{ALICE.password}"
    auth = {"auths": {HOST: {"auth": base64.b64encode(login.encode()).decode()}}}
    client: Puller
    match name:
        case "skopeo":
            client = Skopeo(environment, folder, login)
        case "podman":
            (home / "auth.json").write_text(json.dumps(auth))
            client = Podman(environment, folder)
        case "containerd":
            client = Containerd(story.processes, environment, folder, login).start()
        case _:
            client = dockerd = Dockerd(story.processes, environment, folder).start()
            ok, said = dockerd.login(HOST, ALICE.user, "guess")
            assert not ok, said
            ok, said = dockerd.login(HOST, ALICE.user, ALICE.password)
            assert ok, said
    pulled = client.pull(REFERENCE)
    assert pulled.ok, pulled.output
    assert digest in pulled.digests
    stranger = Skopeo(proxied(proxy, story.directory / "nobody"), story.directory / "stranger")
    assert not stranger.pull(REFERENCE).ok
    client.remove(REFERENCE)
    registry.forget()
    assert client.pull(REFERENCE).ok
    assert registry.requests() == [], "a warm pull asks nobody, whatever token it comes with"
    client.remove(REFERENCE)
    registry.stop()
    assert client.pull(REFERENCE).ok
    unknown = Skopeo(environment, story.directory / "unknown", "carol:secret").pull(REFERENCE)
    assert not unknown.ok
    assert "cannot be asked now" in unknown.output, unknown.output
    assert ALICE.password not in proxy.process.output()
