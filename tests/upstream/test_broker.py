"""Accounts before registries: each proves itself to whom it belongs, and is seen by nobody else."""

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from regproxy.model.account import ANONYMOUS, Account, Credential, Lent, OnReject, Own
from regproxy.model.address import Authority
from regproxy.model.credential_event import HelperFailed
from regproxy.model.decision import FailureClass
from regproxy.model.entry import Challenge
from regproxy.model.login import BearerToken, FromHelper, IdentityToken, Login, Password
from regproxy.upstream.failure import Rejected, UpstreamFailed
from tests.upstream.stage import BEARER, CHALLENGE, HERE, Stage, World, play
from tests.upstream.standin import Recorder, Talk

CANARY = "c:a*n  a'r\"y"
BASIC = ("WWW-Authenticate", 'Basic realm="registry"')
LOGINS: Sequence[Login] = (Password("robot$a", CANARY), IdentityToken(CANARY), BearerToken(CANARY.replace(" ", "")))


def lent(login: Login, on_reject: OnReject = "anonymous") -> Lent:
    return Lent(Credential("basic robot$a", login, "file /run/secrets/a", 0.0, on_reject))


class Guarded(World):
    """A registry and a token service that know who may read, by `right`."""

    def __init__(self, right: Login, *, basic: bool = False, public: bool = False) -> None:
        super().__init__()
        self.right = right
        self.realm = BASIC if basic else CHALLENGE
        self.basic = basic
        self.public = public
        self.refusal = 401

    async def registry(self, talk: Talk) -> None:
        proof = talk.heard.get("authorization")
        match self.right:
            case Password() if self.basic:
                allowed = proof == self.right.authorization
            case BearerToken(token=token):
                allowed = proof == f"Bearer {token}"
            case _:
                allowed = proof is not None and proof.removeprefix("Bearer ") in self.valid
        if allowed or (self.public and (self.basic or proof is not None)):
            await self.after_token(talk)
        else:
            await talk.answer(401, b'{"errors":[]}', self.realm)

    async def auth(self, talk: Talk) -> None:
        proof = talk.heard.get("authorization")
        form = parse_qs(talk.heard.body.decode())
        self.tokens_issued += 1
        token = f"token-{self.tokens_issued}"
        match self.right:
            case Password():
                right = proof == self.right.authorization
            case IdentityToken(token=secret):
                right = form.get("refresh_token") == [secret] and form["grant_type"] == ["refresh_token"]
            case BearerToken():
                right = False
        if right:
            self.valid.add(token)
        elif not self.public or proof is not None or form:
            await talk.answer(self.refusal, b"{}")
            return
        await talk.answer(200, json.dumps({"access_token": token}).encode())


def proofs(stage: Stage, host: str) -> list[str | None]:
    return [heard.get("authorization") for heard in stage.hosts[host].heard]


@pytest.mark.parametrize("account", [make(one) for one in LOGINS for make in (lent, lambda one: Own("1", one))])
def test_an_account_proves_itself_once_for_a_hundred_requests(account: Lent | Own) -> None:
    login = account.login if isinstance(account, Own) else account.credential.login
    assert not isinstance(login, FromHelper)

    async def story(stage: Stage) -> None:
        got = [await stage.upstream.fetch(stage.ask(), "a/b", 100, account)]
        got += await asyncio.gather(*(stage.upstream.fetch(stage.ask(), "a/b", 100, account) for _ in range(99)))
        assert {(head.status, body, by) for head, body, by in got} == {(200, b"the bytes", account)}
        assert len(stage.targets("auth.test")) == (0 if isinstance(login, BearerToken) else 1)
        assert len(stage.targets("registry.test")) == 101, "one 401 taught the challenge"

    play(story, Guarded(login))


def test_a_registry_that_asks_for_basic_gets_it_at_once_when_it_is_known_to_ask() -> None:
    login = Password("_json_key", '{\n  "private_key": "-----BEGIN\\n",\n  "a": "b: c"\n}')

    async def story(stage: Stage) -> None:
        for _ in range(2):
            _, body, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, lent(login))
            assert (body, by) == (b"the bytes", lent(login))
        basic = "Basic " + base64.b64encode(f"_json_key:{login.password}".encode()).decode()
        assert proofs(stage, "registry.test") == [None, basic, basic]

    play(story, Guarded(login, basic=True))


def test_where_a_registry_asks_for_nothing_the_answer_is_a_strangers() -> None:
    async def story(stage: Stage) -> None:
        _, body, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, lent(LOGINS[0]))
        assert (body, by) == (b"the bytes", ANONYMOUS)
        assert proofs(stage, "registry.test") == [None]

    play(story, Guarded(LOGINS[0], basic=True, public=True))


def test_accounts_never_share_a_token() -> None:
    async def story(stage: Stage) -> None:
        right = lent(LOGINS[0])
        await stage.upstream.fetch(stage.ask(), "a/b", 100, right)
        for stranger in (ANONYMOUS, lent(Password("robot$a", "other"), "fail"), Own("2", Password("robot$a", ""))):
            try:
                head, _, _ = await stage.upstream.fetch(stage.ask(), "a/b", 100, stranger)
            except Rejected:
                continue
            assert head.status == 401
        renewed = replace(right, credential=replace(right.credential, read_at=9.0))
        await stage.upstream.fetch(stage.ask(), "a/b", 100, renewed)
        assert len(stage.world.valid) == 1, "the same secret, read once more, is the same account"

    play(story, Guarded(LOGINS[0]))


@pytest.mark.parametrize("basic", [True, False])
@pytest.mark.parametrize("account", [lent(Password("robot$a", "wrong"), "fail"), Own("1", Password("me", "wrong"))])
def test_a_wrong_password_is_a_failure_that_says_where_it_lies_and_is_not_tried_over_and_over(
    account: Account, basic: bool
) -> None:
    async def story(stage: Stage) -> None:
        for repository in ("a/b", "a/c", "a/d"):
            with pytest.raises(Rejected) as told:
                await stage.upstream.fetch(stage.ask(), repository, 100, account)
            assert told.value.failure is FailureClass.CREDENTIAL
            assert "wrong" not in told.value.detail
        if isinstance(account, Lent):
            place = "the proxy's credential for test (file /run/secrets/a, read at 00:00:00 UTC) was rejected at"
            assert told.value.detail.startswith(f"registry.test: {place}")
        wrong = [proof for host in stage.hosts for proof in proofs(stage, host) if proof]
        assert len(wrong) == 1

    play(story, Guarded(LOGINS[0], basic=basic))


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_token_service_may_refuse_one_scope_and_give_another(status: int) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(2):
            with pytest.raises(Rejected, match=str(status)):
                await stage.upstream.fetch(stage.ask(), "a/b", 100, lent(Password("robot$a", "wrong"), "fail"))
        with pytest.raises(Rejected):
            await stage.upstream.fetch(stage.ask(), "a/c", 100, lent(Password("robot$a", "wrong"), "fail"))
        assert len(stage.targets("auth.test")) == 2

    world = Guarded(LOGINS[0])
    world.refusal = status
    play(story, world)


@pytest.mark.parametrize("basic", [True, False])
def test_what_is_public_goes_on_without_a_lent_credential_that_is_refused(basic: bool) -> None:
    async def story(stage: Stage) -> None:
        sink = Recorder()
        opened = await stage.upstream.open(stage.ask(), "a/b", sink, lent(Password("robot$a", "wrong")))
        await opened.finished()
        assert (opened.account, bytes(sink.kept), len(sink.heads)) == (ANONYMOUS, b"the bytes", 1)

    play(story, Guarded(LOGINS[0], basic=basic, public=True))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_strangers_are_refused_keeps_the_failure_of_the_credential(status: int) -> None:
    class Hidden(Guarded):
        async def registry(self, talk: Talk) -> None:
            await talk.answer(status, b"", self.realm)

    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = BEARER
        sink = Recorder()
        with pytest.raises(Rejected, match="test"):
            await stage.upstream.open(stage.ask(), "a/b", sink, lent(Password("robot$a", "wrong")))
        assert sink.heads == []
        assert len(stage.targets("registry.test")) == 1

    play(story, Hidden(LOGINS[0]))


@pytest.mark.parametrize("login", LOGINS)
def test_no_redirect_takes_a_credential_along(login: Login) -> None:
    world = Guarded(login)
    world.redirecting(307, "https://cdn.test/cdn/x")

    async def story(stage: Stage) -> None:
        _, body, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, lent(login))
        assert (body, by) == (b"the bytes", lent(login))
        assert [heard.fields for heard in stage.hosts["cdn.test"].heard if CANARY in str(heard.fields)] == []
        assert proofs(stage, "cdn.test") == [None]

    play(story, world)


@pytest.mark.parametrize("login", LOGINS)
def test_no_credential_goes_to_a_realm_that_the_policy_does_not_list(login: Login) -> None:
    world = Guarded(login)
    world.realm = ("WWW-Authenticate", 'Bearer realm="https://evil.test/token",service="x"')

    async def story(stage: Stage) -> None:
        if isinstance(login, BearerToken):
            await stage.upstream.fetch(stage.ask(), "a/b", 100, lent(login))
        else:
            with pytest.raises(UpstreamFailed, match=r"evil\.test, which the policy does not list in token-hosts"):
                await stage.upstream.fetch(stage.ask(), "a/b", 100, lent(login))
        assert stage.hosts["evil.test"].heard == []

    play(story, world)


@pytest.mark.parametrize("login", LOGINS)
def test_no_account_shows_its_secret(login: Login) -> None:
    secrets = {CANARY, CANARY.replace(" ", "")}
    for account in (lent(login), Own("1", login)):
        shown = f"{account!r} {account} {account.label}"
        assert not any(secret in shown for secret in secrets)


@pytest.mark.parametrize("pair", ["me:pass", "me:", ":", "me:a:b", "m\u00e9:p\u00e4ss", "me:\udcff"])
def test_a_basic_credential_is_read_back_as_it_came(pair: str) -> None:
    value = "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
    assert Password.parse(value).authorization == value


@pytest.mark.parametrize("value", ["", "Basic", "Basic !!", "Basic bWU=", "Bearer bWU6cGFzcw=="])
def test_what_is_no_basic_credential_is_refused_unseen(value: str) -> None:
    with pytest.raises(ValueError, match=r"^Authorization is no Basic credential$"):
        Password.parse(value)


@pytest.mark.parametrize("basic", [False, True])
@pytest.mark.parametrize(("only", "shown"), [("registry.test", "basic"), ("auth.test", "bearer"), ("x.test", "")])
def test_a_credential_for_one_host_is_seen_by_no_other_and_what_is_public_goes_on_without_it(
    *, basic: bool, only: str, shown: str
) -> None:
    right = LOGINS[0]
    account = lent(right)
    account = Lent(replace(account.credential, present_to=Authority(only, 443)))
    used = shown == ("basic" if basic else "bearer")

    async def story(stage: Stage) -> None:
        for _ in range(2):
            head, _, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
            assert (head.status, by) == (200 if used or not basic else 401, account if used else ANONYMOUS)
        seen = {proof for host in stage.hosts for proof in proofs(stage, host) if proof and proof.startswith("Basic")}
        assert bool(seen) is used

    play(story, Guarded(right, basic=basic, public=not basic))


def test_a_credential_for_a_token_service_is_used_at_once_where_the_registry_has_one_now() -> None:
    right = LOGINS[0]
    account = Lent(replace(lent(right).credential, present_to=Authority("auth.test", 443)))

    async def story(stage: Stage) -> None:
        stage.challenges.known[HERE] = Challenge("basic", "", "")
        head, _, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
        assert (head.status, by) == (200, account)

    play(story, Guarded(right, basic=False, public=True))


@pytest.mark.parametrize("basic", [False, True])
def test_what_a_helper_said_is_asked_for_anew_once_it_is_refused(tmp_path: Path, *, basic: bool) -> None:
    command, secret = "docker-credential-x", tmp_path / "secret"
    (tmp_path / command).write_text(f"#!/bin/sh\nexec cat {secret}\n")
    (tmp_path / command).chmod(0o755)
    account = Lent(Credential(f"helper {command}", FromHelper(command, HERE), command))
    world = Guarded(Password("me", "old"), basic=basic)

    def says(password: str) -> None:
        secret.write_text(json.dumps({"Username": "me", "Secret": password}))

    async def story(stage: Stage) -> None:
        for password in ("old", "new"):
            says(password)
            world.right = Password("me", password)
            world.valid.clear()
            head, _, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
            assert (head.status, by) == (200, account)
        world.right = Password("me", "newest")
        world.valid.clear()
        with pytest.raises(Rejected, match=f"{command}, read at .* was rejected"):
            await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
        before = len(stage.hosts["registry.test"].heard)
        with pytest.raises(Rejected):
            await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
        assert len(stage.hosts["registry.test"].heard) == before + 1, (
            "a stranger asks; the credential rests for a while"
        )

    play(story, world, tmp_path)


def test_without_a_helper_to_run_the_failure_says_so_and_what_is_public_goes_on() -> None:
    command = "docker-credential-x"
    account = Lent(Credential(f"helper {command}", FromHelper(command, HERE), command))

    async def private(stage: Stage) -> None:
        with pytest.raises(Rejected, match="the proxy has no credential: docker-credential-x cannot be run"):
            await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
        (told,) = (event for event in stage.events if isinstance(event, HelperFailed))
        assert (told.registry, told.authority, told.command) == (stage.block.name, HERE.name, command)
        assert told.detail.startswith("docker-credential-x cannot be run")

    async def public(stage: Stage) -> None:
        head, _, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
        assert (head.status, by) == (200, ANONYMOUS)

    play(private, Guarded(Password("me", "x")))
    play(public, Guarded(Password("me", "x"), public=True))
