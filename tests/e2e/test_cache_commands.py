"""`regproxy cache` asking the running proxy: what is there, and what becomes of it."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Story
from tests.e2e.test_live import REFERENCE, run, running, socket_path
from tests.e2e.test_reload import HOST, MANIFEST, TAG, TYPE
from tests.lab.answers import Answer, manifest
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import sha256
from tests.lab.policies import Block, policy
from tests.lab.processes import free_port
from tests.lab.proxy import Proxy

__all__ = ["socket_path"]
NEW = b'{"schemaVersion":2,"new":1}'


def get(proxy: Proxy) -> bytes:
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        return client.get(TAG, Accept=TYPE).body


def test_an_operator_lists_expires_refreshes_and_restores(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    at = ("--admin", f"unix:{socket_path}")
    assert run("cache", "purge", "--hard", REFERENCE, *at).returncode == 1
    get(proxy)
    listed = run("cache", "ls", *at).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["IMAGE", REFERENCE]
    assert "fresh" in listed[1]
    assert json.loads(run("cache", "ls", f"{HOST}/**", "--json", *at).stdout)["digest"] == sha256(MANIFEST)
    assert sha256(MANIFEST) in run("cache", "show", REFERENCE, *at).stdout

    hostile.on(HOST, TAG, manifest(NEW, TYPE, sha256(NEW)))
    assert get(proxy) == MANIFEST
    assert run("cache", "purge", REFERENCE, "--dry-run", *at).stdout == f"{REFERENCE}\n"
    assert get(proxy) == MANIFEST
    assert run("cache", "purge", REFERENCE, *at).stdout == f"{REFERENCE}\n"
    assert get(proxy) == NEW, "edges forgot it as well"

    history = json.loads(run("cache", "history", REFERENCE, "--json", *at).stdout)["history"]
    assert [one["digest"] for one in history] == [sha256(NEW), sha256(MANIFEST)]
    assert run("cache", "restore", REFERENCE, *at).stdout == f"{REFERENCE} is {sha256(MANIFEST)} for 24 h\n"
    assert get(proxy) == MANIFEST
    short = [f"{sha256(data)[:19]}" for data in (MANIFEST, NEW)]
    assert run("cache", "refresh", REFERENCE, *at).stdout == f"{REFERENCE}: {short[0]} -> {short[1]}\n"
    assert get(proxy) == NEW

    hostile.on(HOST, TAG, Answer(500))
    failed = run("cache", "refresh", REFERENCE, *at)
    assert (failed.returncode, f"{HOST} answered 500" in failed.stderr) == (3, True)
    gone = run("cache", "purge", "--hard", f"{HOST}/*/*:*", *at)
    assert gone.stdout.splitlines()[-1].startswith("2 contents, 8.0 KiB freed"), "both versions"
    assert run("cache", "ls", *at).stdout.splitlines()[1:] == []


def test_images_are_fetched_before_a_client_asks(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path, tmp_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    at = ("--admin", f"unix:{socket_path}")
    images = tmp_path / "images"
    images.write_text(f"# what we run\n{REFERENCE}  # the application\n{HOST}/team/none:1\n")
    fetched = run("prefetch", "run", str(images), "--platform", "linux/amd64", *at)
    assert (fetched.returncode, fetched.stdout) == (1, f"{REFERENCE}: 1 contents, {len(MANIFEST)} B\n")
    assert f"{HOST}/team/none:1: {HOST} /v2/team/none/manifests/1: 404" in fetched.stderr
    asked = len(hostile.seen(HOST, TAG))
    assert get(proxy) == MANIFEST
    assert len(hostile.seen(HOST, TAG)) == asked
    assert json.loads(run("prefetch", "run", "--json", REFERENCE, *at).stdout)["state"] == "done"
    jobs = json.loads(run("prefetch", "ls", "--json", *at).stdout)
    assert [(one["image"], one["state"]) for one in jobs] == [
        (REFERENCE, "done"), (f"{HOST}/team/none:1", "failed"), (REFERENCE, "done"),
    ]  # fmt: skip
    shown = run("prefetch", "ls", *at).stdout.splitlines()[1:]
    assert [line.split()[1] for line in shown] == ["done", "failed", "done"]
    images.write_text("# nothing\n")
    for wrong in ((), (str(images),)):
        assert run("prefetch", "run", *wrong, *at).returncode == 2


@pytest.fixture(scope="module")
def empty(shared_story: Story, pki: Pki) -> str:
    """Where a proxy is asked in whose cache nothing is."""
    text = policy(Block("test", (HOST,), {HOST: free_port()}, pki.root))
    socket = shared_story.directory / "admin.sock"
    shared_story.proxy(text, arguments=["--admin", f"unix:{socket}"])
    return f"unix:{socket}"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("show", f"{HOST}/team/none:1"), 1, "is not in the cache"),
        (("history", f"{HOST}/team/app@sha256:{'0' * 64}"), 2, "names a digest, which never changes"),
        (("purge", "*"), 2, "begins with no registry"),
        (("restore", f"{HOST}/team/app:9"), 1, "never meant anything else here"),
        (("show", f"{HOST}/**"), 2, "is a pattern; name one image"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...], code: int, sentence: str, empty: str) -> None:
    said = run("cache", *arguments, "--admin", empty)
    assert (said.returncode, sentence in said.stderr) == (code, True), said.stderr
