"""Other services on an intercepted host behave as without us: git, a web login, file downloads."""

import gzip
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.e2e.conftest import Story
from tests.lab.answers import Answer, Generated, Received, blob
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.gitserver import git, git_backend, make_repository
from tests.lab.hostile import Hostile
from tests.lab.images import MIB
from tests.lab.peers import need
from tests.lab.policies import Block, policy
from tests.lab.proxy import Proxy

HOST = "git.test"


@pytest.fixture
def proxy(story: Story, hostile: Hostile, pki: Pki) -> Proxy:
    """A proxy that intercepts git.test."""
    return story.proxy(policy(Block("forge", (HOST,), {HOST: hostile.port}, pki.root)))


@pytest.mark.real
def test_git_clones_and_pushes(proxy: Proxy, hostile: Hostile, tmp_path: Path) -> None:
    need("git")
    bare = make_repository(tmp_path / "served", "project", 3 * MIB)
    hostile.on(HOST, "/git/*", git_backend(tmp_path / "served", "/git/"))
    trust = {"https_proxy": proxy.url, "GIT_SSL_CAINFO": str(proxy.bundle)}
    git(tmp_path, "clone", "-q", f"https://{HOST}/git/project.git", "mine", **trust)
    mine = tmp_path / "mine"
    assert git(mine, "rev-parse", "HEAD") == git(bare, "rev-parse", "main")
    (mine / "more.bin").write_bytes(bytes(2 * MIB))
    git(mine, "add", ".")
    git(mine, "commit", "-q", "-m", "second")
    git(mine, "push", "-q", "origin", "main", **trust)
    assert git(mine, "rev-parse", "HEAD") == git(bare, "rev-parse", "main")


def _login(request: Received) -> Answer:
    form = parse_qs(request.body.decode())
    if form.get("password") != ["wonderland"]:
        return Answer(403, body=b"no")
    cookies = (("Set-Cookie", "session=abc; Secure; HttpOnly"), ("Set-Cookie", "theme=dark"))
    return Answer(302, (("Location", "/home"), *cookies))


def _home(request: Received) -> Answer:
    known = "session=abc" in request.field("cookie")
    return Answer(200, body=b"hello alice") if known else Answer(401, body=b"who?")


def test_a_web_login_with_cookies_works(proxy: Proxy, hostile: Hostile) -> None:
    hostile.on(HOST, "/login", _login)
    hostile.on(HOST, "/home", _home)
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        response = client.send("POST", "/login", form, b"user=alice&password=wonderland")
        response.read()
        assert (response.status, response.getheader("Location")) == (302, "/home")
        assert response.msg.get_all("Set-Cookie") == ["session=abc; Secure; HttpOnly", "theme=dark"]
        home = client.request("GET", "/home", {"Cookie": "session=abc; theme=dark"})
        assert (home.status, home.body) == (200, b"hello alice")
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as stranger:
        assert stranger.get("/home").status == 401, "nobody is served another's page"


def test_a_download_comes_byte_for_byte_and_is_not_kept(proxy: Proxy, hostile: Hostile) -> None:
    file = Generated(20 * MIB)
    hostile.on(HOST, "/files/tool.tar.gz", blob(file))
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        for _ in range(2):
            reply = client.get("/files/tool.tar.gz?v=1&sig=a%2Fb")
            assert (reply.status, reply.digest) == (200, file.digest)
            assert reply.fields["cache-status"] == "regproxy; fwd=bypass"
        part = client.get("/files/tool.tar.gz", Range="bytes=5-9")
        assert (part.status, len(part.body)) == (206, 5)
    seen = hostile.seen(HOST, "/files/tool.tar.gz")
    assert [each.target.partition("?")[2] for each in seen] == ["v=1&sig=a%2Fb", "v=1&sig=a%2Fb", ""]


def test_an_encoded_body_an_upload_and_the_clients_own_credentials_pass_unchanged(
    proxy: Proxy, hostile: Hostile
) -> None:
    packed = gzip.compress(b"text" * 1000)
    hostile.on(HOST, "/page", Answer(200, (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")), packed))
    hostile.on(HOST, "/upload", lambda request: Answer(201, body=request.body))
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        page = client.request("GET", "/page", {"Accept-Encoding": "gzip", "Authorization": "Basic YTpi"})
        assert (page.body, page.fields["content-encoding"]) == (packed, "gzip")
        sent = bytes(range(256)) * 8192
        back = client.request("PUT", "/upload", {"Content-Type": "application/octet-stream"}, sent)
        assert (back.status, back.body) == (201, sent)
        assert client.request("DELETE", "/upload").status == 201
    assert hostile.seen(HOST, "/page")[0].field("authorization") == "Basic YTpi"
    assert "YTpi" not in proxy.process.output()
