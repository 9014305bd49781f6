"""The pages in docs/: every command in them is run, in order, in one folder a page; or the page says why not."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.generator import API, api_page
from regproxy.model.address import Authority
from regproxy.model.entry import BindingKey
from regproxy.model.oci import OCI_MANIFEST, Digest, Kind
from regproxy.store.intake import Carried, Intake
from regproxy.store.scrub import looked_over
from tests.lab.images import MIB, make_image
from tests.lab.policies import policy
from tests.lab.processes import Processes, clean_environment
from tests.lab.proxy import Proxy

ROOT = Path(__file__).parents[1]
PAGES = ("tutorial", "recipes", "moving-from-docker-registry-proxy")
TEXTS = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}
SECRETS = "/run/secrets/"
_BLOCK = re.compile(
    r"(?:^[ ]*<!-- not run here: (?P<reason>[^>]+) -->\n)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w+)[ ]?(?P<file>\S*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: `file` is where it is saved, `reason` why it is not run."""

    language: str
    file: str
    text: str
    reason: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page in their order."""
    return [
        Block(one["language"], one["file"], one["text"], (one["reason"] or "").strip())
        for one in _BLOCK.finditer(TEXTS[page])
    ]


@dataclass(frozen=True)
class Reader:
    """One who follows a page: a folder, a proxy at proxy.example, a cache with an image, and secrets."""

    folder: Path
    proxy: Proxy

    def follow(self, block: Block) -> None:
        """Save what has a name, and run what is a command."""
        text = block.text.replace(SECRETS, f"{self.folder}/secrets/")
        text = text.replace("proxy.example:3128", f"127.0.0.1:{self.proxy.port}")
        if block.file:
            (self.folder / block.file).write_text(text)
        if block.language != "sh" or block.reason:
            return
        environ = clean_environment(PATH=f"{self.folder}/bin:{os.environ['PATH']}", HOME=str(self.folder / "home"))
        command = ["sh", "-eu", "-c", text]
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with tempfile.TemporaryDirectory(prefix="regproxy-") as name, Processes(Path(name) / "logs") as processes:
        folder = Path(name)
        proxy = Proxy(processes, folder / "proxy", policy(), arguments=("--workers", "1")).start()
        (folder / "bin").mkdir()
        program = folder / "bin" / "regproxy"
        python = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)}"
        program.write_text(f'#!/bin/sh\n{python} -m regproxy "$@"\n')
        program.chmod(0o755)
        (folder / "secrets").mkdir(mode=0o700)
        for secret in ("hub", "team-a", "gitlab", "google", "ecr"):
            (folder / "secrets" / secret).write_text("secret\n")
            (folder / "secrets" / secret).chmod(0o600)
        (folder / "secrets" / "corp.pem").write_bytes(proxy.ca_file.read_bytes())
        _cached(folder)
        yield Reader(folder, proxy)


def _cached(folder: Path) -> None:
    """A cache with docker.io/library/redis:7."""
    image = make_image(folder / "image", seed=77, layers=(MIB,), platforms=("linux/amd64",))
    hub = Authority("registry-1.docker.io", 443)
    with looked_over(folder / "cache", make=True) as directory:
        intake = Intake(directory, 1_000_000_000.0, public=False)
        for digest in (*image.blobs, image.digest):
            kind = Kind.MANIFEST if digest == image.digest else Kind.BLOB
            named = Digest(*digest.split(":"))
            assert intake.take(hub, Carried("library/redis", kind, named, OCI_MANIFEST, (image.read(digest),)))
        top = Digest(*image.digest.split(":"))
        intake.name(BindingKey(hub, "library/redis", "7"), top, OCI_MANIFEST, image.top.size)


@pytest.mark.parametrize("page", PAGES)
def test_who_follows_a_page_meets_no_command_that_fails(page: str, reader: Reader) -> None:
    found = blocks(page)
    assert any(block.language == "sh" and not block.reason for block in found)
    for block in found:
        reader.follow(block)


def test_the_page_of_the_api_is_what_a_running_proxy_says_of_it(reader: Reader) -> None:
    admin = f"unix:{reader.proxy.cache / 'admin.sock'}"
    assert (ROOT / API).read_text(encoding="utf-8") == api_page(admin), (
        f"start a proxy; python -m docs.generator {admin}"
    )


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_has_a_reason_that_says_where_it_is_shown_or_what_it_needs(page: str) -> None:
    for block in blocks(page):
        assert block.language in {"sh", "policy"}
        for path in re.findall(r"tests/\w+(?:/\w+)*\.py", block.reason):
            assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("page", PAGES)
def test_a_metric_that_a_page_names_exists(page: str) -> None:
    known = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert {name for name in re.findall(r"`(regproxy_\w+)`", TEXTS[page]) if f"`{name}`" not in known} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    here = {target.partition("#")[0] for target in targets if "://" not in target} - {""}
    assert {target for target in here if not (path.parent / target).exists()} == set()
