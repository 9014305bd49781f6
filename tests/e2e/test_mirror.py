"""Real clients pull from the cache as a mirror: no proxy, no CA."""

import json

import pytest

from tests.e2e.conftest import HUB, QUAY, Images, Story
from tests.lab.client import plain
from tests.lab.clients import Containerd, Dockerd, Podman, Puller
from tests.lab.peers import need, search_path
from tests.lab.processes import clean_environment
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

REGISTRIES = """unqualified-search-registries = []
[[registry]]
location = "{host}"
[[registry.mirror]]
location = "127.0.0.1:{port}/{host}"
insecure = true
"""
HOSTS = 'server = "https://{host}"\n[host."http://127.0.0.1:{port}"]\n  capabilities = ["pull", "resolve"]\n'


def client(name: str, story: Story, proxy: Proxy) -> Puller:
    """A client that knows the mirror, and can reach no registry by itself."""
    need(name)
    folder = story.directory / f"mirrored-{name}"
    folder.mkdir()
    (folder / "auth.json").write_text("{}")
    (folder / "registries.conf").write_text(
        "".join(REGISTRIES.format(host=h, port=proxy.port) for h in ("docker.io", QUAY))
    )
    for host in ("docker.io", QUAY):
        (folder / "hosts" / host).mkdir(parents=True)
        (folder / "hosts" / host / "hosts.toml").write_text(HOSTS.format(host=host, port=proxy.port))
    environment = clean_environment(
        PATH=search_path(),
        HOME=str(folder),
        XDG_RUNTIME_DIR=str(folder),
        DOCKER_CONFIG=str(folder),
        REGISTRY_AUTH_FILE=str(folder / "auth.json"),
        CONTAINERS_REGISTRIES_CONF=str(folder / "registries.conf"),
        HTTPS_PROXY="http://127.0.0.1:9",
        NO_PROXY="127.0.0.1",
    )
    match name:
        case "podman":
            return Podman(environment, folder)
        case "containerd":
            return Containerd(story.processes, environment, folder, hosts=folder / "hosts").start()
        case _:
            mirrors = json.dumps({"registry-mirrors": [f"http://127.0.0.1:{proxy.port}"]})
            return Dockerd(story.processes, environment, folder, mirrors).start()


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("dockerd", "docker.io/library/small:latest"),
        ("containerd", "docker.io/library/small:latest"),
        ("containerd", "quay.io/team/small:latest"),
        ("podman", "quay.io/team/small:latest"),
        ("podman", "docker.io/library/small:latest"),
    ],
)
def test_a_client_that_knows_a_mirror_pulls_without_a_proxy(
    name: str, reference: str, story: Story, both: str, hub: Registry, quay: Registry, images: Images
) -> None:
    registry = hub if reference.startswith("docker.io") else quay
    digest = registry.push(images.small(), reference.partition("/")[2])
    proxy = story.proxy(both)
    puller = client(name, story, proxy)
    for asked in (True, False):
        registry.forget()
        pulled = puller.pull(reference)
        assert pulled.ok, pulled.output
        assert digest in pulled.digests
        assert bool(registry.requests()) is asked
        puller.remove(reference)


@pytest.fixture(scope="module")
def mirror(shared_story: Story, both: str) -> Proxy:
    """A proxy that is asked for what it refuses."""
    return shared_story.proxy(both)


@pytest.mark.parametrize(
    ("method", "target", "status", "sentence"),
    [
        ("GET", "/v2/a/b/manifests/1?ns=elsewhere.example", 404, "mirrors what its policy names"),
        ("GET", "/v2/a/b/manifests/1?ns=169.254.169.254", 404, "mirrors what its policy names"),
        ("PUT", f"/v2/a/b/manifests/1?ns={HUB}", 405, "a mirror is only for pulls"),
        ("POST", "/v2/a/b/blobs/uploads/", 405, "a mirror is only for pulls"),
        ("GET", "/v2/?ns=a..b", 400, "regproxy:"),
    ],
)
def test_what_is_not_mirrored_is_refused_in_words(
    method: str, target: str, status: int, sentence: str, mirror: Proxy
) -> None:
    reply = plain(mirror.port, method, target)
    assert (reply.status, sentence in reply.reason) == (status, True), reply.reason


def test_a_mirrors_challenge_leads_back_to_it_and_its_token_opens_what_is_public(
    story: Story, both: str, quay: Registry, images: Images
) -> None:
    quay.push(images.small(), "team/small:latest")
    proxy = story.proxy(both)
    ping = plain(proxy.port, "GET", f"/v2/?ns={QUAY}")
    realm = f"http://127.0.0.1:{proxy.port}/v2/_regproxy/token?ns={QUAY}"
    assert (ping.status, ping.fields["oci-namespace"]) == (401, QUAY)
    assert f'realm="{realm}"' in ping.fields["www-authenticate"]
    token = json.loads(plain(proxy.port, "GET", realm.removeprefix(f"http://127.0.0.1:{proxy.port}")).body)["token"]
    target = f"/v2/team/small/manifests/latest?ns={QUAY}"
    assert plain(proxy.port, "GET", target, authorization=f"Bearer {token}").status == 200
