"""What goes over the wire, and what of the environment does not count."""

import asyncio
import logging
from dataclasses import replace

import pytest

from regproxy import __version__
from regproxy.model.decision import FailureClass
from regproxy.model.event import UpstreamFinished
from regproxy.upstream.client import Client, Pool
from regproxy.upstream.failure import UpstreamFailed
from tests.upstream.standin import Events, Recorder, StandIn, Talk, TestAuthority, ask, registry


async def hello(talk: Talk) -> None:
    await talk.answer(200, b"hello", ("X-Path", talk.heard.target))


def heard(method: str = "GET", target: str = "/v2/", purpose: str = "manifest", **more: object) -> StandIn:
    """What the upstream heard of one request over plain HTTP."""

    async def story() -> StandIn:
        client = Client(Events())
        async with StandIn(hello) as stand_in:
            request = ask(registry(("registry.test", stand_in), scheme="http"), method, target, (), purpose)
            await client.start(replace(request, **more), Recorder()).finished()  # type: ignore[arg-type]
            await client.close()
        return stand_in

    return asyncio.run(story())


def test_a_registry_request_carries_our_name_and_asks_for_bytes_as_they_are() -> None:
    fields = (("Accept", "a/b"), ("User-Agent", "docker"), ("Accept-Encoding", "gzip"), ("Host", "evil.test"))
    (request,) = heard(fields=fields).heard
    assert request.fields == (
        ("Host", "registry.test"),
        ("Accept", "a/b"),
        ("Accept-Encoding", "identity"),
        ("User-Agent", f"regproxy/{__version__}"),
    )


def test_any_other_request_carries_what_the_client_sent_and_no_more() -> None:
    sent = (("User-Agent", "git/2"), ("Accept-Encoding", "gzip, br"), ("Cookie", "a=1"), ("X-Empty", ""))
    hop = (
        ("Connection", "x-hop, close"),
        ("X-Hop", "1"),
        ("Proxy-Authorization", "Basic x"),
        ("Expect", "100-continue"),
    )
    (request,) = heard(purpose="other", fields=(*sent, *hop)).heard
    assert request.fields == (("Host", "registry.test"), *sent)
    (bare,) = heard(purpose="other").heard
    assert bare.fields == (("Host", "registry.test"),)


def test_the_target_is_sent_as_it_stands() -> None:
    target = "/a/../b/%2F/./?q=%20&x=[1]|{}"
    assert heard(target=target, purpose="other").heard[0].target == target


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_method_without_a_body_sends_none(method: str) -> None:
    (request,) = heard(method, purpose="other").heard
    assert (request.method, request.get("content-length"), request.body) == (method, None, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_method_with_a_body_says_how_long_it_is(method: str) -> None:
    (request,) = heard(method, body=b"abc", fields=(("Content-Type", "a/b"),)).heard
    assert (request.method, request.get("content-length"), request.body) == (method, "3", b"abc")
    assert request.get("content-type") == "a/b"
    assert request.get("expect") is None
    (empty,) = heard(method).heard
    assert (empty.method, empty.get("content-length"), empty.get("content-type")) == (method, "0", None)


@pytest.mark.parametrize("target", ["", "v2/", "/v2/ HTTP/1.1\r\nX: y", "/a b", "http://x/", "/\n", "/é\u2028"])
def test_a_target_that_would_break_the_request_line_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="is not a request target"):
        ask(registry(scheme="http"), target=target)


@pytest.mark.parametrize("method", ["", "get", "GET /", "G\r\nT"])
def test_a_method_that_would_break_the_request_line_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="is not a method"):
        ask(registry(scheme="http"), method)


def test_proxies_and_netrc_of_the_environment_do_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".netrc").write_text("machine registry.test login canary password canary\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    (request,) = heard().heard
    assert request.get("authorization") is None

    async def story(authority: TestAuthority) -> None:
        client = Client(Events())
        async with StandIn(hello, authority.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            await client.start(ask(block), Recorder()).finished()
            assert len(stand_in.heard) == 1
            await client.close()

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_connections_are_used_again_and_blobs_have_their_own() -> None:
    async def story(authority: TestAuthority) -> None:
        events = Events()
        client = Client(events)
        async with StandIn(hello, authority.context("registry.test")) as stand_in:
            block = registry(("registry.test", stand_in), ca_file=authority.ca_file)
            for _ in range(20):
                for purpose in ("manifest", "token", "list"):
                    await client.start(ask(block, purpose=purpose), Recorder()).finished()
            assert stand_in.connections == 1
            await client.start(ask(block, purpose="blob"), Recorder()).finished()
            assert stand_in.connections == 2
            await client.close()
        assert len(events) == 61
        last = events[-1]
        assert isinstance(last, UpstreamFinished)
        assert (last.registry, last.purpose, last.method, last.status, last.bytes, last.failure) == (
            "test",
            "blob",
            "GET",
            200,
            5,
            "",
        )
        assert 0 < last.milliseconds < 10_000

    with TestAuthority() as authority:
        asyncio.run(story(authority))


def test_a_ca_file_that_is_gone_is_a_tls_failure_that_names_it() -> None:
    async def story() -> None:
        client = Client(Events())
        with pytest.raises(
            UpstreamFailed, match=r"registry\.test: the ca file /nowhere/ca\.pem cannot be read"
        ) as caught:
            await client.start(ask(registry(ca_file="/nowhere/ca.pem")), Recorder()).finished()
        assert caught.value.failure is FailureClass.TLS
        await client.close()

    asyncio.run(story())


def test_credentials_never_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("tornado.curl_httpclient")
    before = log.level
    caplog.set_level(logging.DEBUG)
    log.setLevel(logging.DEBUG)
    try:
        heard(fields=(("Authorization", "Bearer canary"),))
        assert "canary" not in caplog.text
        assert log.getEffectiveLevel() == logging.INFO
    finally:
        log.setLevel(before)


def test_statuses_are_answers_and_never_errors() -> None:
    async def story() -> None:
        async def script(talk: Talk) -> None:
            await talk.answer(int(talk.heard.target[1:]))

        client = Client(Events())
        async with StandIn(script) as stand_in:
            block = registry(("registry.test", stand_in), scheme="http")
            for status in (204, 206, 301, 304, 401, 404, 429, 500, 503, 599):
                sink = Recorder()
                await client.start(ask(block, target=f"/{status}"), sink).finished()
                assert [head.status for head in sink.heads] == [status]
            await client.close()

    asyncio.run(story())


def test_a_thousand_that_wait_are_refused_one_after_the_other_when_the_way_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        go = asyncio.Event()

        async def held(talk: Talk) -> None:
            await go.wait()
            await talk.answer(200, b"hello")

        def lost(*_: object) -> Pool:
            raise OSError("the file of authorities is gone")

        client = Client(Events())
        async with StandIn(held) as stand_in:
            block = replace(registry(("registry.test", stand_in), scheme="http"), concurrent=1)
            first, *waiting = [client.start(ask(block), Recorder()) for _ in range(1001)]
            monkeypatch.setattr(client, "_pool", lost)
            go.set()
            await first.finished()
            ended = await asyncio.gather(*(one.finished() for one in waiting), return_exceptions=True)
            assert {str(one) for one in ended} == {"registry.test:80: the file of authorities is gone"}
            await client.close()

    asyncio.run(story())
