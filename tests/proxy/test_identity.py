"""Who a client says it is: the core is asked before anything else, and again when the policy changes."""

import asyncio
import base64
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from regproxy.model.access import WRONG
from regproxy.model.address import Authority
from regproxy.model.answer import Answer, Ask, Audience, Forget, Reply
from regproxy.model.connect import Intercept
from regproxy.model.event import ConnectFinished, ExchangeFinished
from regproxy.model.message import Head
from tests.lab.client import Client, Refused, connect, plain
from tests.proxy.serving import LABELS, Serving, told

ANN, BEN, WRONG_ONE = ("Basic " + base64.b64encode(f"{who}:secret".encode()).decode() for who in ("ann", "ben", "x"))
USERS = {ANN: "ann", BEN: "ben"}
QUAY = "quay.io:443"
GREETING = Reply(Head(200, (("Content-Type", "text/plain"),)), b"", LABELS, until=1e12)


def whose(ask: Ask) -> Answer:
    """An answer for this caller alone, that names it."""
    return replace(GREETING, body=ask.user.encode(), audience=Audience.CALLER)


def everyones(_: Ask) -> Answer:
    """An answer that may be repeated to everybody."""
    return replace(GREETING, body=b"for all", audience=Audience.EVERYONE)


def test_a_wrong_password_is_407_with_a_challenge_before_the_policy_is_asked(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        for method, target, host in (("CONNECT", QUAY, QUAY), ("GET", "http://quay.io/v2/", "quay.io")):
            fields = {"host": host, "Proxy-Authorization": WRONG_ONE}
            reply = await asyncio.to_thread(partial(plain, serving.port, method, target, **fields))
            assert (reply.status, reply.reason) == (407, WRONG)
            assert reply.fields["proxy-authenticate"] == 'Basic realm="regproxy", charset="UTF-8"'
            assert b"secret" not in reply.body
        told_of = [event for event in serving.core.events if isinstance(event, ConnectFinished)]
        assert {(event.decision, event.status, event.user) for event in told_of} == {("refuse", 407, "")}
        assert serving.core.asked == []

    told(story, tmp_path)


def test_the_core_and_the_log_hear_who_the_client_proved_to_be_and_not_how(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users = USERS
        with await asyncio.to_thread(Client, serving.port, serving.ca_file, QUAY, proof=ANN) as client:
            await asyncio.to_thread(client.get, "/v2/")
        (ask,) = serving.core.asked
        assert ask.user == "ann"
        users = {type(event): event.user for event in serving.core.events if hasattr(event, "user")}
        assert users == {ConnectFinished: "ann", ExchangeFinished: "ann"}
        assert ANN not in repr(serving.core.asked) + repr(serving.core.events)

    told(story, tmp_path)


def test_absolute_form_proves_itself_with_each_request(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users = USERS
        serving.core.decisions[Authority("quay.io", 80)] = Intercept(Authority("quay.io", 80), "quay", "http")
        for proof, user in ((ANN, "ann"), (BEN, "ben")):
            fields = {"host": "quay.io", "Proxy-Authorization": proof}
            await asyncio.to_thread(partial(plain, serving.port, "GET", "http://quay.io/v2/", **fields))
            assert serving.core.asked[-1].user == user

    told(story, tmp_path)


def test_what_is_for_one_caller_is_not_repeated_to_another_user_at_the_same_address(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users, serving.core.script = USERS, whose
        for proof, body in ((ANN, b"ann"), (BEN, b"ben"), ("", b""), (ANN, b"ann"), (BEN, b"ben")):
            with await asyncio.to_thread(Client, serving.port, serving.ca_file, QUAY, proof=proof) as client:
                assert (await asyncio.to_thread(client.get, "/v2/a/b/manifests/c")).body == body
        assert len(serving.core.asked) == 3

    told(story, tmp_path)


def test_a_client_that_is_kept_out_by_a_new_policy_gets_nothing_more_from_memory(tmp_path: Path) -> None:
    async def story(serving: Serving) -> None:
        serving.core.users, serving.core.script = USERS, everyones
        with (
            await asyncio.to_thread(Client, serving.port, serving.ca_file, QUAY, proof=ANN) as ann,
            await asyncio.to_thread(Client, serving.port, serving.ca_file, QUAY, proof=BEN) as ben,
        ):
            for client in (ann, ben) * 3:
                assert (await asyncio.to_thread(client.get, "/v2/a/b/manifests/c")).body == b"for all"
            assert len(serving.core.asked) == 1
            serving.core.kept_out = {"ben"}
            for watcher in serving.core.watchers:
                watcher(Forget())
            for _ in range(2):
                assert (await asyncio.to_thread(ann.get, "/v2/a/b/manifests/c")).body == b"for all"
            reply = await asyncio.to_thread(ben.get, "/v2/a/b/manifests/c")
            assert (reply.status, "regproxy refused ben" in reply.reason) == (421, True)
            with pytest.raises(Refused, match="403 regproxy refused ben"):
                await asyncio.to_thread(connect, serving.port, QUAY, BEN)

    told(story, tmp_path)
