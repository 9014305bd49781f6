"""Images carried to a site without a line: out of one cache, through skopeo's hands, into another."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import QUAY, Images, Story
from tests.e2e.test_live import run
from tests.lab.certificates import Pki
from tests.lab.images import Image
from tests.lab.policies import Block, policy
from tests.lab.processes import clean_environment, free_port
from tests.lab.proxy import Proxy
from tests.lab.registry import Registry

pytestmark = pytest.mark.real

REFERENCE = "quay.io/team/app:1"


def block(port: int, pki: Pki) -> str:
    return policy(Block("quay", (QUAY,), {QUAY: port}, pki.root))


@pytest.fixture(scope="module")
def exported(shared_story: Story, quay: Registry, pki: Pki, images: Images) -> Path:
    """The layout of an image that a client pulled through a proxy, which has ended."""
    quay.push(images.small(), "team/app:1")
    proxy = shared_story.proxy(block(quay.port, pki))
    assert shared_story.client("skopeo", proxy).pull(REFERENCE).ok
    layout, at = (
        shared_story.directory / "layout",
        ("--cache-dir", str(proxy.cache), "--policy", str(proxy.policy_file)),
    )
    busy = run("cache", "export", str(layout), *at)
    assert (busy.returncode, "a regproxy runs on this cache; stop it first" in busy.stderr) == (1, True)
    proxy.stop()
    done = run("cache", "export", str(layout), "quay.io/team/*:*", *at)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{REFERENCE}  ")
    again = run("cache", "export", str(layout), REFERENCE, "--json", *at)
    assert json.loads(again.stdout)["missing"] == []
    none = run("cache", "export", str(layout), "quay.io/none/*:*", *at)
    assert (none.returncode, "nothing in the cache matches" in none.stderr) == (1, True)
    return layout


def far_away(story: Story, pki: Pki) -> Proxy:
    """A proxy that was not started yet and never reaches the registry."""
    return Proxy(story.processes, story.directory / "far", block(free_port(), pki), arguments=("--workers", "1"))


def brought(proxy: Proxy, layout: Path, *options: str) -> subprocess.CompletedProcess[str]:
    at = ("--cache-dir", str(proxy.cache), "--policy", str(proxy.policy_file))
    return run("cache", "import", str(layout), *options, *at)


def test_skopeo_reads_what_is_exported(exported: Path, images: Images, tmp_path: Path) -> None:
    command = ["skopeo", "copy", "--all", "--insecure-policy", "--preserve-digests"]
    command += [f"oci:{exported}:{REFERENCE}", f"dir:{tmp_path / 'out'}"]
    subprocess.run(command, env=clean_environment(), check=True, capture_output=True, timeout=60)
    image: Image = images.small()
    assert (tmp_path / "out" / "manifest.json").read_bytes() == image.read(image.digest)


def test_an_imported_image_is_pulled_with_the_registry_away(
    exported: Path, story: Story, pki: Pki, images: Images
) -> None:
    proxy = far_away(story, pki)
    done = brought(proxy, exported, "--public")
    assert (done.returncode, done.stdout.split()[0]) == (0, REFERENCE)
    pulled = story.client("skopeo", proxy.start()).pull(REFERENCE)
    assert pulled.ok, pulled.output
    assert pulled.digests == {images.small().digest}
    verified = (proxy.stop(), run("cache", "verify", "--cache-dir", str(proxy.cache)))[1]
    assert "nothing is wrong" in verified.stdout


def test_without_the_operators_word_nobody_reads_it_before_the_registry_was_asked(
    exported: Path, story: Story, quay: Registry, pki: Pki, images: Images
) -> None:
    proxy = far_away(story, pki)
    assert brought(proxy, exported).returncode == 0
    client = story.client("skopeo", proxy.start())
    assert not client.pull(REFERENCE).ok
    proxy.policy_file.write_text(block(quay.port, pki))
    proxy.stop()
    proxy.start()
    proxy.forget()
    assert client.pull(REFERENCE).ok
    blobs = [line for line in proxy.access() if line["kind"] == "blob"]
    assert len(blobs) == len(images.small().blobs)
    assert {line["outcome"] for line in blobs} == {"hit"}, "the bytes did not cross the line again"


def test_a_layout_of_skopeos_own_gets_its_name_from_the_operator(story: Story, pki: Pki, images: Images) -> None:
    image, layout = images.small(), story.directory / "foreign"
    command = ["skopeo", "copy", "--all", "--insecure-policy", "--preserve-digests"]
    subprocess.run(
        [*command, f"dir:{image.path}", f"oci:{layout}:7"],
        env=clean_environment(),
        check=True,
        capture_output=True,
        timeout=60,
    )
    proxy = far_away(story, pki)
    nameless = brought(proxy, layout)
    assert (nameless.returncode, "name the repository by --as" in nameless.stderr) == (1, True)
    named = brought(proxy, layout, "--as", "quay.io/team/app", "--json")
    assert json.loads(named.stdout) == {
        "image": "quay.io/team/app:7",
        "bytes": json.loads(named.stdout)["bytes"],
        "without": [],
        "missing": [],
    }
    stranger = brought(proxy, layout, "--as", "registry.stranger.example/team/app")
    assert "the policy names no registry registry.stranger.example" in stranger.stderr


def test_a_layout_with_wrong_bytes_brings_no_name(exported: Path, story: Story, pki: Pki, images: Images) -> None:
    layer = images.small().platforms[0].layers[0]
    damaged = shutil.copytree(exported, story.directory / "damaged")
    (damaged / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")).write_bytes(bytes(layer.size))
    proxy = far_away(story, pki)
    done = brought(proxy, damaged, "--public")
    assert done.returncode == 1
    assert f"1 of its parts are missing or damaged: {layer.digest}" in done.stderr
    assert not story.client("skopeo", proxy.start()).pull(REFERENCE).ok
