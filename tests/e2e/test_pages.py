"""The pages, in a real browser without scripts: what they say, how fast, by keyboard, and what they do to the proxy."""

import asyncio
import hashlib
import http.client
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from threading import Event

import pytest

from benchmarks.machine import cpu_seconds
from regproxy.model.address import parse_authority
from regproxy.model.entry import Binding, BindingKey, CacheLimits
from regproxy.model.oci import parse_digest
from regproxy.store.content import Store
from regproxy.store.rows import Changes
from tests.e2e.conftest import Story, hostile_block
from tests.e2e.test_reload import HOST, TYPE, serve_manifest, tags
from tests.lab.answers import Answer, Generated, blob, manifest
from tests.lab.browser import Browser, with_browser
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile
from tests.lab.images import MIB, sha256
from tests.lab.peers import need
from tests.lab.policies import policy
from tests.lab.processes import free_port
from tests.lab.proxy import Proxy

TOKEN = "0123456789abcdef0123456789abcdef"
IMAGES = 5000
MAX_MILLISECONDS = 500  # on a CPU: what else a machine does is not the page's fault
LAYERS = (b"\x1f\x8b" + b"a" * 200_000, b"\x1f\x8b" + b"b" * 300_000)
CONFIG = b'{"os":"linux","architecture":"amd64"}'
IMAGE = f"{HOST}/team/app:latest"
PLACES = (
    "/",
    "/images",
    f"/image?ref={IMAGE}",
    "/upstreams",
    f"/policy?ref={IMAGE}",
    "/activity",
    "/grants",
    f"/trace?ref={IMAGE}",
)
AXE = files("axe_core_python").joinpath("axe.min.js").read_text()


def _image() -> bytes:
    def listed(kind: str, data: bytes) -> dict[str, object]:
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": sha256(data), "size": len(data)}

    layers = [listed("layer.v1.tar+gzip", data) for data in LAYERS]
    told = {"schemaVersion": 2, "mediaType": TYPE, "config": listed("config.v1+json", CONFIG), "layers": layers}
    return json.dumps(told).encode()


MANIFEST = _image()


async def _filled(directory: Path) -> None:
    """So many tags are known, as after months of pulls; what they name has been evicted."""
    store = await Store.open(directory, CacheLimits(), time.time, lambda _event: None)
    rows = []
    for number in range(IMAGES):
        digest = parse_digest(f"sha256:{hashlib.sha256(b'%d' % number).hexdigest()}")
        at = time.time() - number * 60
        key = BindingKey(parse_authority(HOST, 443), f"group-{number // 100}/app-{number % 100}", f"v1.{number}")
        rows.append((key, Binding(digest, TYPE, 1000 + number, (), at, at)))
    await store.record(Changes(bindings=tuple(rows)))
    await store.close()


@dataclass(frozen=True, slots=True)
class Managed:
    """A proxy with its pages at `port`, behind the registry."""

    proxy: Proxy
    port: int
    hostile: Hostile

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def managed(story: Story, hostile: Hostile, pki: Pki, tmp_path: Path) -> Iterator[Managed]:
    need("chromium")
    serve_manifest(hostile)
    for reference in ("latest", sha256(MANIFEST)):
        hostile.on(HOST, f"/v2/team/app/manifests/{reference}", manifest(MANIFEST, TYPE, sha256(MANIFEST)))
    for data in (CONFIG, *LAYERS):
        hostile.on(HOST, f"/v2/team/app/blobs/{sha256(data)}", blob(data))
    port, token = free_port(), tmp_path / "token"
    token.write_text(TOKEN)
    asyncio.run(_filled(story.directory / "proxy" / "cache"))
    arguments = ["--admin", f"127.0.0.1:{port}", "--admin", "off", "--admin-token-file", str(token)]
    text = policy(hostile_block(hostile, pki), tiers="tier blobs { match kind is blob; fresh forever; }\n" + tags("5m"))
    yield Managed(story.proxy(text, arguments=arguments), port, hostile)


async def log_in(browser: Browser, managed: Managed) -> None:
    await browser.open(managed.url)
    await browser.write(TOKEN)
    await browser.press("Enter", leads_on=True)
    assert "Pulls left" in await browser.text()


async def faults(browser: Browser) -> list[str]:
    """What axe finds wrong with the page."""
    await browser.let_scripts(True)
    await browser.run(f"{AXE}; 0")
    found = await browser.run("axe.run().then(found => found.violations.map(one => one.id + ': ' + one.nodes[0].html))")
    await browser.let_scripts(False)
    return list(found)


@pytest.mark.real
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_is_readable_and_has_no_fault_that_axe_knows(managed: Managed, dark: bool) -> None:
    pull(managed)

    async def story(browser: Browser) -> None:
        await browser.open(managed.url)
        assert await faults(browser) == []
        await log_in(browser, managed)
        for number, place in enumerate(PLACES):
            await browser.open(f"{managed.url}{place}")
            if shots := os.environ.get("SCREENSHOTS"):
                await browser.screenshot(Path(shots) / f"{number}-{'dark' if dark else 'light'}.png")
            assert await faults(browser) == [], place

    with_browser(story, dark=dark)


def pull(managed: Managed) -> None:
    with Client(managed.proxy.port, managed.proxy.ca_file, f"{HOST}:443") as client:
        assert client.get("/v2/team/app/manifests/latest", Accept=TYPE).body == MANIFEST


@pytest.mark.real
def test_purge_and_prefetch_are_done_by_keyboard_after_they_say_what_they_would_do(managed: Managed) -> None:
    def asked() -> int:
        return len(managed.hostile.seen(HOST, "/v2/team/app/manifests/latest"))

    async def story(browser: Browser) -> None:
        await log_in(browser, managed)
        await browser.tab_to('nav a[href="/images"]')
        await browser.press("Enter", leads_on=True)
        await browser.tab_to("#fetched")
        await browser.write(IMAGE)
        await browser.tab_to('form[action="/act/prefetch"] button')
        await browser.press("Enter", leads_on=True)
        assert f"{IMAGE} is not in the cache: the whole of it would be fetched" in await browser.text()
        assert asked() == 0
        await browser.tab_to("main button")
        await browser.press(" ", leads_on=True)
        assert f"{IMAGE} is on its way" in await browser.text()
        for _ in range(100):
            await browser.open(f"{managed.url}/activity")
            if "Prefetched images" in (said := await browser.text()) and "running" not in said:
                break
        assert "done" in said
        await browser.open(f"{managed.url}/image?ref={IMAGE}")
        assert "4 of 4 are here." in await browser.text()
        await browser.open(f"{managed.url}/images?match=**/team/app:*")
        assert "linux/amd64" in await browser.text()
        before = asked()
        pull(managed)
        assert asked() == before, "the client is served what was prefetched"

        await browser.open(f"{managed.url}/images?match=**/team/app:*")
        await browser.tab_to('form[action="/act/images/purge"] button')
        await browser.press("Enter", leads_on=True)
        assert "Purge: what it would do" in await browser.text()
        assert IMAGE in await browser.text()
        pull(managed)
        assert asked() == before
        await browser.tab_to("main button")
        await browser.press("Enter", leads_on=True)
        pull(managed)
        assert asked() == before + 1, "what was expired is asked for"

    with_browser(story)
    lines = [(line["call"], line["status"]) for line in managed.proxy.log() if line.get("event") == "admin"]
    assert lines == [
        ("login", 200), ("POST /prefetch", 200), ("POST /prefetch", 200), ("POST /images/purge", 200),
        ("POST /images/purge", 200),
    ]  # fmt: skip


@pytest.mark.real
def test_a_layer_on_its_way_is_shown_with_how_far_it_is(managed: Managed) -> None:
    layer, gate = Generated(4 * MIB), Event()
    fields = blob(layer).fields
    managed.hostile.on(HOST, f"/v2/team/app/blobs/{layer.digest}", Answer(200, fields, layer, hold=MIB, gate=gate))

    async def story(browser: Browser) -> None:
        await log_in(browser, managed)
        puller = asyncio.create_task(asyncio.to_thread(fetch, managed, layer.digest))
        try:
            said = ""
            for _ in range(100):
                await browser.open(f"{managed.url}/activity?live=1")
                said = await browser.text()
                if "of 4.0 MiB" in said:
                    break
            assert "registry.test/team/app" in said
            assert "of 4.0 MiB\t1" in said, said
            assert 0 < await browser.run("document.querySelector('progress').position") < 0.3
            assert await faults(browser) == []
        finally:
            gate.set()
            await puller
        for _ in range(100):
            await browser.open(f"{managed.url}/activity")
            if "Nothing is being fetched." in await browser.text():
                return
        raise AssertionError("a layer that is here is shown as on its way")

    with_browser(story)


def fetch(managed: Managed, digest: str) -> None:
    with Client(managed.proxy.port, managed.proxy.ca_file, f"{HOST}:443") as client:
        assert client.get(f"/v2/team/app/blobs/{digest}").status == 200


@dataclass(slots=True)
class Visitor:
    """A program that behaves as a browser does, to measure and to misbehave."""

    managed: Managed
    cookie: str = ""

    def ask(self, method: str, place: str, body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.managed.port, timeout=10)
        try:
            connection.request(method, place, body, {"Cookie": self.cookie, **headers})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def log_in(self) -> dict[str, str]:
        status, headers, _ = self.ask("POST", "/login", f"token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        self.cookie = headers["set-cookie"].partition(";")[0]
        return headers

    def form(self) -> str:
        return self.ask("GET", "/images")[2].partition('name="form" value="')[2].partition('"')[0]


@pytest.mark.real
def test_each_page_with_thousands_of_images_is_made_at_once_and_leads_nowhere_else(managed: Managed) -> None:
    visitor = Visitor(managed)
    visitor.log_in()
    for place in (*PLACES, "/images?match=app-9", "/images?match=**/app-99:*"):
        if place.startswith("/image?"):
            pull(managed)
        took = []
        for _ in range(3):
            began = cpu_seconds(managed.proxy.process.pid)
            status, headers, text = visitor.ask("GET", place)
            took.append((cpu_seconds(managed.proxy.process.pid) - began) * 1000)
            assert status == 200, text
        assert min(took) < MAX_MILLISECONDS, (place, took)
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert "<script" not in text
        assert "://" not in text.replace("http://HOST", "").replace(f"https://{HOST}/v2", "")
    seen, place = 0, "/images"
    while place:
        _, _, text = visitor.ask("GET", place)
        seen += text.count('<th scope="row">')
        place = text.partition('<a rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert seen == IMAGES + 1


@pytest.mark.real
def test_who_may_read_what_was_exchanged_and_how_quickly_are_shown_and_a_grant_is_revoked(managed: Managed) -> None:
    visitor = Visitor(managed)
    visitor.log_in()
    assert "Nobody holds a grant yet." in visitor.ask("GET", "/grants")[2]
    assert "nobody has asked for it" in visitor.ask("GET", f"/trace?ref={IMAGE}")[2]
    pull(managed)
    shown = visitor.ask("GET", f"/grants?repository={HOST}/team/app")[2]
    assert (f'<th scope="row">{HOST}/team/app</th><td>anyone</td>') in shown
    assert "names no image" in visitor.ask("GET", f"/trace?ref=https://{HOST}/v2/")[2]
    traced = visitor.ask("GET", f"/trace?ref={IMAGE}")[2]
    assert f"the proxy asked {HOST}: GET /v2/team/app/manifests/latest -&gt; 200" in traced
    assert "&gt; Accept: " in traced
    assert " ms, 95% in " in visitor.ask("GET", "/upstreams")[2]
    revoke = f"repository={HOST}/team/app&identity=&back=/grants&form={visitor.form()}"
    assert "1 revoked" in visitor.ask("POST", "/act/grants/revoke", revoke)[2]
    before = len(managed.hostile.seen(HOST, "/v2/team/app/manifests/latest"))
    pull(managed)
    assert len(managed.hostile.seen(HOST, "/v2/team/app/manifests/latest")) == before + 1


@pytest.mark.real
def test_who_has_not_logged_in_sees_the_form_alone_and_no_other_site_can_send_one(managed: Managed) -> None:
    visitor = Visitor(managed)
    for place in (*PLACES, "/nothing"):
        status, _, text = visitor.ask("GET", place)
        assert (status, "Token" in text, HOST in text) == (401, True, False)
    assert visitor.ask("POST", "/act/images/purge", f"match={IMAGE}")[0] == 401
    assert visitor.ask("POST", "/login", "token=" + "f" * 32)[0] == 401
    said = visitor.log_in()["set-cookie"]
    assert all(words in said for words in ("HttpOnly", "SameSite=Strict", "Path=/"))
    form = visitor.form()
    purge = f"match=**&dry-run=1&form={form}"
    assert visitor.ask("POST", "/act/images/purge", purge)[0] == 200
    assert visitor.ask("POST", "/act/images/purge", purge, Origin="http://evil.example")[0] == 403
    assert visitor.ask("POST", "/act/images/purge", "match=**&dry-run=1&form=" + "0" * 64)[0] == 403
    assert visitor.ask("POST", "/act/images/purge", "match=**&dry-run=1")[0] == 403
    assert visitor.ask("GET", "/images", Host="evil.example")[0] == 421
    assert visitor.ask("GET", "/api/v1/status")[0] == 401, "a cookie is no token for programs"
    for place in ("//evil.example/", "/%5Cevil.example/", "/%09/evil.example/", "http://evil.example/"):
        back = visitor.ask("POST", "/act/images/purge", f"{purge}&back={place}")[2]
        assert "evil.example" not in back, place
    shown = visitor.ask("GET", "/images?match=%3Cscript%3Ealert(1)%3C/script%3E")[2]
    assert ("<script" in shown, "&lt;script&gt;" in shown) == (False, True)
    other = Visitor(managed)
    other.log_in()
    assert other.ask("POST", "/act/images/purge", purge)[0] == 403, "the form of another session"
    forged = visitor.cookie[:-1] + ("0" if visitor.cookie[-1] != "0" else "1")
    assert Visitor(managed, forged).ask("GET", "/")[0] == 401
    assert visitor.ask("POST", "/logout", f"form={form}")[1]["set-cookie"].endswith("Max-Age=0")
