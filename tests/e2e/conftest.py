"""The world of the end-to-end stories: registries that live for the whole run, and one proxy per story."""

import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.certificates import Pki, signer
from tests.lab.clients import Containerd, Dockerd, Podman, Puller, Skopeo, proxied
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, Image, make_image
from tests.lab.peers import need
from tests.lab.policies import Block, policy
from tests.lab.processes import Processes
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry
from tests.lab.tokens import Account, TokenService

HUB, AUTH, QUAY = "registry-1.docker.io", "auth.docker.io", "quay.io"
ALICE = Account("alice", "wonderland")
PRIVATE = "library/private"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A story that fails shows the last lines of every process that it started."""
    report = yield
    given = getattr(item, "funcargs", {})
    for story in (given.get("story"), given.get("shared_story")):
        if report.failed and isinstance(story, Story):
            report.sections += [(f"end of {name}'s output", text) for name, text in story.processes.tails()]
    return report


@pytest.fixture(scope="session")
def lab() -> Iterator[Path]:
    """A folder with a short name: Unix sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="regproxy-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def pki(lab: Path) -> Pki:
    """The stand-in for the public web PKI."""
    return Pki(lab / "pki")


@pytest.fixture(scope="session")
def servers(lab: Path) -> Iterator[Processes]:
    """The owner of the registries' processes."""
    with Processes(lab / "registries") as owner:
        yield owner


@pytest.fixture(scope="session")
def hub(lab: Path, pki: Pki, servers: Processes) -> Iterator[Registry]:
    """Docker Hub's stand-in: distribution under registry-1.docker.io, tokens from auth.docker.io."""
    need("docker-registry", "skopeo")
    with TokenService(pki.leaf(AUTH), signer(lab / "signer"), {PRIVATE: ALICE}) as tokens:
        registry = Registry(servers, lab, HUB, pki.leaf(HUB), tokens)
        registry.start()
        yield registry


@pytest.fixture(scope="session")
def quay(lab: Path, pki: Pki, servers: Processes) -> Registry:
    """Another registry, quay.io, which asks nobody for a token."""
    need("docker-registry", "skopeo")
    registry = Registry(servers, lab, QUAY, pki.leaf(QUAY))
    registry.start()
    return registry


@dataclass(slots=True)
class Images:
    """Images made at their first use and kept for the run."""

    directory: Path
    large_layer: int
    _made: dict[str, Image]

    def small(self, seed: int = 1) -> Image:
        """OCI index, two platforms, 4 MiB in two gzip layers each."""
        return self._image(f"small-{seed}", seed, (MIB, 3 * MIB))

    def docker(self) -> Image:
        """The same with docker's media types."""
        name = "docker"
        if name not in self._made:
            sizes = (MIB, 3 * MIB)
            self._made[name] = make_image(self.directory / name, seed=2001, layers=sizes, image_format="docker")
        return self._made[name]

    def zstd(self) -> Image:
        """The same with zstd layers."""
        need("zstd")
        name = "zstd"
        if name not in self._made:
            sizes = (MIB, 3 * MIB)
            self._made[name] = make_image(self.directory / name, seed=2002, layers=sizes, compression="zstd")
        return self._made[name]

    def large(self) -> Image:
        """One platform with a layer larger than whatever lies between two programs."""
        return self._image("large", 2003, (self.large_layer, MIB), ("linux/amd64",))

    def sized(self, mebibytes: int) -> Image:
        """One platform, so large, in two layers; docker's types, which every client loads and pushes as they are."""
        name = f"sized-{mebibytes}"
        if name not in self._made:
            sizes = (mebibytes * MIB // 2,) * 2
            self._made[name] = make_image(
                self.directory / name,
                seed=3000 + mebibytes,
                layers=sizes,
                platforms=("linux/amd64",),
                image_format="docker",
            )
        return self._made[name]

    def _image(
        self, name: str, seed: int, sizes: Sequence[int], platforms: Sequence[str] = ("linux/amd64", "linux/arm64")
    ) -> Image:
        if name not in self._made:
            self._made[name] = make_image(self.directory / name, seed=seed, layers=sizes, platforms=platforms)
        return self._made[name]


@pytest.fixture(scope="session")
def images(lab: Path, soak: float) -> Images:
    """The images of this run."""
    return Images(lab / "images", (200 if soak == 1 else 64) * MIB, {})


def hub_block(hub: Registry, pki: Pki) -> Block:
    """Docker Hub as the packaged list names it, found on loopback."""
    assert hub.tokens is not None
    return Block(
        "docker-hub",
        (HUB,),
        {HUB: hub.port, AUTH: hub.tokens.port},
        pki.root,
        aliases=("index.docker.io", "docker.io"),
        token_hosts=(AUTH,),
    )


def quay_block(quay: Registry, pki: Pki) -> Block:
    """quay.io, found on loopback."""
    return Block("quay", (QUAY,), {QUAY: quay.port}, pki.root)


@pytest.fixture(scope="session")
def both(hub: Registry, quay: Registry, pki: Pki) -> str:
    """The packaged tiers over both registries."""
    return policy(hub_block(hub, pki), quay_block(quay, pki))


@dataclass(slots=True)
class Story:
    """What one story starts; everything ends with it."""

    directory: Path
    processes: Processes
    workers: int

    def proxy(
        self, text: str, *, permit: Sequence[str] = (), arguments: Sequence[str] = (), workers: int | None = None
    ) -> Proxy:
        """A proxy of this story's own, running; with as many workers as the run says, if the story does not."""
        arguments = ("--workers", str(workers or self.workers), *arguments)
        return Proxy(self.processes, self.directory / "proxy", text, permit=permit, arguments=arguments).start()

    def client(self, name: str, proxy: Proxy, *, url: str = "") -> Puller:
        """A real client of this story's own, running; `url`: another way to the proxy than its own."""
        need(name)
        folder = Path(tempfile.mkdtemp(prefix=name, dir=self.directory))
        environment = proxied(proxy, folder / "home", url)
        match name:
            case "skopeo":
                return Skopeo(environment, folder)
            case "podman":
                return Podman(environment, folder)
            case "containerd":
                return Containerd(self.processes, environment, folder).start()
            case "dockerd":
                return Dockerd(self.processes, environment, folder).start()
            case _:
                raise ValueError(f"no client {name}")


@pytest.fixture
def story(request: pytest.FixtureRequest) -> Iterator[Story]:
    """A story's folder and processes."""
    with _story(request.config) as made:
        yield made


@pytest.fixture(scope="module")
def shared_story(request: pytest.FixtureRequest) -> Iterator[Story]:
    """The same for what all stories of a file find and none of them changes."""
    with _story(request.config) as made:
        yield made


@contextmanager
def _story(config: pytest.Config) -> Iterator[Story]:
    with tempfile.TemporaryDirectory(prefix="regproxy-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        with Processes(directory / "logs") as processes:
            yield Story(directory, processes, config.getoption("--workers"))


@pytest.fixture
def hostile(pki: Pki) -> Iterator[Hostile]:
    """The hostile upstream under the names registry.test, cdn.test, git.test and localhost."""
    with Hostile(pki.leaf("registry.test", "cdn.test", "git.test", "localhost")) as server:
        yield server


def hostile_block(hostile: Hostile, pki: Pki, *, cdn: bool = True) -> Block:
    """registry.test, and cdn.test to which it may redirect, found on loopback."""
    ports = {"registry.test": hostile.port} | ({"cdn.test": hostile.port} if cdn else {})
    return Block("hostile", ("registry.test",), ports, pki.root, redirect_hosts=("cdn.test",) if cdn else ())
