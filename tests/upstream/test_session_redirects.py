"""Redirects of a registry, followed inside: without credentials, in bounds, to where it is allowed."""

import pytest

from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.upstream.failure import UpstreamFailed
from tests.upstream.stage import Stage, World, play
from tests.upstream.standin import Recorder, Talk


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_redirect_is_followed_without_credentials(status: int, method: str) -> None:
    world = World()
    world.redirecting(status, "https://cdn.test/cdn/x?sig=1%2F2")

    async def story(stage: Stage) -> None:
        sink = Recorder()
        opened = await stage.upstream.open(stage.ask(method=method), "a/b", sink)
        await opened.finished()
        assert [head.get("server") for head in sink.heads] == ["cdn"]
        assert bytes(sink.kept) == (b"the bytes" if method == "GET" else b"")
        (heard,) = stage.hosts["cdn.test"].heard
        assert (heard.method, heard.target) == (method, "/cdn/x?sig=1%2F2")
        assert {name.lower() for name, _ in heard.fields} <= {
            "host",
            "accept",
            "range",
            "accept-encoding",
            "user-agent",
        }
        assert heard.get("range") == "bytes=5-"
        assert opened.request.authority == Authority("cdn.test", 443)

    play(story, world)


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("/v2/a/b/blobs/x", r"^registry\.test: redirects more than 5 times"),
        ("http://cdn.test/x", r"^registry\.test: redirects to http"),
        ("https://169.254.169.254/latest", r"^169\.254\.169\.254: 169\.254\.169\.254 is a loopback, link-local"),
        ("https://10.1.2.3/x", r"^10\.1\.2\.3: 10\.1\.2\.3 is a private address; .* by naming the host"),
        ("https://user@cdn.test/x", r"^registry\.test: redirects to a URL with a user name"),
    ],
)
def test_a_redirect_that_leads_nowhere_good_is_a_failure(location: str, sentence: str) -> None:
    world = World()
    world.redirecting(307, location)

    async def story(stage: Stage) -> None:
        async def looping(talk: Talk) -> None:
            await talk.answer(307, b"", ("Location", location))

        if location.startswith("/"):
            stage.hosts["registry.test"].script = looping
        sink = Recorder()
        with pytest.raises(UpstreamFailed, match=sentence) as caught:
            await stage.upstream.open(stage.ask(), "a/b", sink)
        assert caught.value.failure is FailureClass.CONNECT
        assert sink.heads == []
        assert stage.hosts["cdn.test"].connections == 0
        assert len(stage.hosts["registry.test"].heard) <= 6

    play(story, world)


def test_a_401_behind_a_redirect_is_our_trouble_and_not_the_clients() -> None:
    world = World()
    world.redirecting(307, "https://cdn.test/x")

    async def story(stage: Stage) -> None:
        async def asking(talk: Talk) -> None:
            await talk.answer(401, b"", ("WWW-Authenticate", 'Basic realm="give"'))

        stage.hosts["cdn.test"].script = asking
        sink = Recorder()
        with pytest.raises(
            UpstreamFailed, match=r"cdn\.test: asks for credentials behind a redirect of registry\.test"
        ):
            await stage.upstream.open(stage.ask(), "a/b", sink)
        assert sink.heads == []

    play(story, world)
