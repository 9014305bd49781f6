"""The registries of the field, by what they say and want: a lent credential reads from each of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from regproxy.model.account import Credential, Lent
from regproxy.model.login import FromHelper, IdentityToken, Login, Password
from tests.upstream.stage import HERE, Stage, World, play
from tests.upstream.standin import Talk

HELPER = "docker-credential-ecr-login"
KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN: \n  a b\n-----END"}, indent=2)
ECR_TOKEN = "e" * 1900
HUGE = tuple((f"X-Goog-{number}", "g" * 3000) for number in range(8))


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a registry says: its challenge, where its tokens come from, how they look, and how it hands out blobs."""

    login: Login
    challenge: str = ""
    realm: str = ""
    answer: Mapping[str, object] = field(default_factory=lambda: {"token": "@"})
    location: str = ""
    huge: tuple[tuple[str, str], ...] = ()
    helper: bool = False

    @property
    def realm_host(self) -> str:
        return urlsplit(self.realm).netloc


DIALECTS = {
    "Docker Hub": Dialect(
        Password("corp", "dckr_pat:x"),
        'Bearer realm="{}",service="registry.docker.io",scope="repository:a/b:pull"',
        "https://auth.test/token",
        {"token": "@", "access_token": "@", "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z"},
        "https://cdn.test/cdn/blob?Signature=a%2Bb&Expires=1",
    ),
    "ghcr": Dialect(
        Password("me", "ghp_x"),
        'Bearer realm="{}",service="ghcr.io",scope="repository:user/image:pull"',
        "https://registry.test/token",
        location="https://cdn.test/cdn/blob?sig=x%3D%3D",
    ),
    "quay": Dialect(
        Password("org+robot", "R" * 64),
        'Bearer realm="{}",service="quay.io"',
        "https://registry.test/v2/auth",
        location="https://cdn.test/cdn/blob",
    ),
    "GitLab, its realm on another host": Dialect(
        Password("gitlab+deploy-token-1", "gldt-x"),
        'Bearer realm="{}",service="container_registry",scope="repository:a/b:pull",error="invalid_token"',
        "https://auth.test/jwt/auth",
    ),
    "GCR and Artifact Registry": Dialect(
        Password("_json_key", KEY),
        'Bearer realm="{}",service="registry.test"',
        "https://registry.test/v2/token",
        {"token": "@" + "t" * 2000, "expires_in": 43200},
        "/artifacts-downloads/namespaces/p/blob?x=1",
        HUGE,
    ),
    "ECR, by its helper": Dialect(
        Password("AWS", ECR_TOKEN),
        'Basic realm="https://registry.test/",service="ecr.amazonaws.com"',
        location="https://cdn.test/cdn/blob?X-Amz-Security-Token=a%2F%2Fb",
        helper=True,
    ),
    "ACR, by an identity token": Dialect(
        IdentityToken("eyJ.refresh.token"),
        'Bearer realm="{}",service="registry.test",scope="repository:a/b:metadata_read"',
        "https://registry.test/oauth2/token",
        {"access_token": "@"},
    ),
    "Harbor, by a robot": Dialect(
        Password("robot$a", "pa:ss*  w'o\"rd"),
        'Bearer realm="{}",service="harbor-registry"',
        "https://registry.test/service/token",
        {"token": "@", "access_token": "", "expires_in": 1800},
    ),
    "Nexus, by Basic": Dialect(Password("robot", "x y"), 'BASIC realm="Sonatype Nexus Repository Manager"'),
}


class Field(World):
    """A registry that speaks the dialect and believes nobody else."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self.dialect = dialect
        self.asked: list[tuple[str, dict[str, list[str]]]] = []

    async def registry(self, talk: Talk) -> None:
        dialect, path = self.dialect, talk.heard.target.partition("?")[0]
        if dialect.realm_host == "registry.test" and path == urlsplit(dialect.realm).path:
            await self.auth(talk)
        elif not self._allowed(talk):
            challenge = ("WWW-Authenticate", dialect.challenge.format(dialect.realm))
            await talk.answer(401, b'{"errors":[]}', challenge, *dialect.huge)
        elif dialect.location and path.startswith("/v2/"):
            await talk.answer(307, b"", ("Location", dialect.location), *dialect.huge)
        else:
            await talk.answer(200, b"the bytes", *dialect.huge)

    async def auth(self, talk: Talk) -> None:
        query = parse_qs(urlsplit(talk.heard.target).query) or parse_qs(talk.heard.body.decode())
        self.asked.append((talk.heard.method, query))
        match self.dialect.login:
            case Password() as login:
                right = talk.heard.method == "GET" and talk.heard.get("authorization") == login.authorization
            case IdentityToken(token=token):
                right = talk.heard.method == "POST" and query.get("refresh_token") == [token]
            case _:
                right = False
        if not right:
            await talk.answer(401, b"{}")
            return
        token = f"token-{len(self.asked)}"
        said = self.dialect.answer.items()
        answer = {key: one.replace("@", token) if isinstance(one, str) else one for key, one in said}
        self.valid.add(str(answer.get("token") or answer["access_token"]))
        await talk.answer(200, json.dumps(answer).encode(), ("Content-Type", "application/json"))

    def _allowed(self, talk: Talk) -> bool:
        proof = talk.heard.get("authorization") or ""
        if talk.heard.target.startswith("/artifacts-downloads/"):
            return True
        if self.dialect.realm:
            return proof.removeprefix("Bearer ") in self.valid
        return isinstance(self.dialect.login, Password) and proof == self.dialect.login.authorization


@pytest.mark.parametrize("name", DIALECTS)
def test_a_lent_credential_reads_from_the_registries_of_the_field(name: str, tmp_path: Path) -> None:
    dialect = DIALECTS[name]
    world = Field(dialect)
    login: Login | FromHelper = dialect.login
    if dialect.helper and isinstance(login, Password):
        said = json.dumps({"ServerURL": HERE.name, "Username": login.user, "Secret": login.password})
        (tmp_path / HELPER).write_text(f"#!/bin/sh\nread -r host; [ \"$host\" = {HERE.name} ] && echo '{said}'\n")
        (tmp_path / HELPER).chmod(0o755)
        login = FromHelper(HELPER, HERE)
    account = Lent(Credential(name, login))

    async def story(stage: Stage) -> None:
        for _ in range(3):
            head, body, by = await stage.upstream.fetch(stage.ask(), "a/b", 100, account)
            assert (head.status, body, by) == (200, b"the bytes", account)
        if dialect.realm:
            ((method, asked),) = world.asked
            assert asked["scope"] == ["repository:a/b:pull"]
            assert dialect.challenge.partition('service="')[2].startswith(asked["service"][0])
            assert method == ("POST" if isinstance(dialect.login, IdentityToken) else "GET")
        assert not any(heard.get("authorization") for heard in stage.hosts["cdn.test"].heard)
        assert stage.hosts["evil.test"].heard == []

    play(story, world, tmp_path)
