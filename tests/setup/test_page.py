"""The front page: for probes, for terminals and for browsers, with nothing of a client's in it unescaped."""

import asyncio
from html.parser import HTMLParser

import pytest

from regproxy.app.pages import Pages
from regproxy.proxy.edge import Page, Visit
from regproxy.setup.platforms import PLATFORMS
from tests.wire.joined import Script

PAGES = Pages(lambda: b"-----BEGIN CERTIFICATE-----\n", lambda: "AB:CD", lambda: "quay.io", Script().sightings)


def visit(path: str, host: str = "proxy.example:3128", *, browser: bool = False) -> Page | None:
    return asyncio.run(PAGES.page(Visit(path, "10.0.0.9", host, browser)))


def test_the_first_line_is_what_probes_look_for_and_every_platform_has_its_command() -> None:
    page = visit("/")
    assert page is not None
    text = page.body.decode()
    assert text.startswith("docker-registry-proxy: The docker caching proxy is working!\n")
    assert all(f"http://proxy.example:3128/setup/{one.name}" in text for one in PLATFORMS)
    assert "10.0.0.9" in text


class Links(HTMLParser):
    """What a page leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "img", "link", "iframe"}, "nothing from elsewhere, and nothing that runs"
        self.found |= {value for name, value in attrs if name in ("href", "src") and value}


def test_every_link_of_the_page_leads_to_a_page() -> None:
    page = visit("/", browser=True)
    assert page is not None
    assert page.content_type.startswith("text/html")
    links = Links()
    links.feed(page.body.decode())
    assert {f"/setup/{one.name}" for one in PLATFORMS} <= links.found
    assert all(visit(link) is not None for link in links.found)


@pytest.mark.parametrize("host", ["a b", "x$(id):3128", "'", "user@x", "x:0", "é.example", "a;b"])
def test_no_host_that_means_something_to_a_shell_gets_into_a_script(host: str) -> None:
    with pytest.raises(ValueError, match=r"is not a host name|no valid port"):
        visit("/setup/docker", host)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("Proxy.Example:3128", "http://proxy.example:3128"),
        ("proxy.example", "http://proxy.example:80"),
        ("[fd00::7]:3128", "http://[fd00::7]:3128"),
    ],
)
def test_a_script_names_the_proxy_as_the_client_named_it(host: str, url: str) -> None:
    page = visit("/setup/containerd", host)
    assert page is not None
    assert f"PROXY='{url}'\n" in page.body.decode()


@pytest.mark.parametrize("browser", [True, False])
def test_the_doctor_tells_a_client_what_the_core_saw_of_it(browser: bool) -> None:
    page = visit("/doctor", browser=browser)
    assert page is not None
    assert "quay.io: answered" in page.body.decode()
    assert "10.0.0.9" in page.body.decode()
    assert ("<h1>" in page.body.decode()) == browser


def test_a_script_hands_the_ca_out_and_is_counted_so() -> None:
    given = {path: visit(path) for path in ("/ca.crt", "/setup/docker", "/", "/doctor")}
    assert [page is not None and page.trusted for page in given.values()] == [True, True, False, False]


def test_the_ca_and_its_fingerprint_are_handed_out_and_the_rest_is_nothing() -> None:
    ca, fingerprint = visit("/ca.crt"), visit("/ca.sha256")
    assert ca is not None
    assert fingerprint is not None
    assert (ca.content_type, ca.body) == ("application/x-x509-ca-cert", b"-----BEGIN CERTIFICATE-----\n")
    assert fingerprint.body == b"AB:CD\n"
    assert [visit(path) for path in ("/setup", "/setup/nothing", "/setup/docker/x", "/etc/passwd")] == [None] * 4
