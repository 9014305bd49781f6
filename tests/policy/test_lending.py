"""`auth` blocks: which credential a request is given, and what a docker `config.json` holds."""

import base64
import json

import pytest

from regproxy.model.account import ANONYMOUS, Lent
from regproxy.model.address import Authority
from regproxy.model.login import BearerToken, IdentityToken, Login, Password
from regproxy.model.secret import Origin, Secret
from regproxy.policy.docker_config import read_logins
from regproxy.policy.include import Alone, Revealed
from regproxy.policy.load import Loaded, load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source

HUB, QUAY = Authority("registry-1.docker.io", 443), Authority("quay.io", 443)
CANARY = "c:a*n  a'r\"y"
NOON = 43200.0


class Secrets(Alone):
    """Secrets by file or variable."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def secret(self, origin: Origin, *, lines: bool = False) -> Revealed:
        name = origin.name.rpartition("/")[2].removesuffix(".json")
        return Revealed(Secret(origin, self._values[name], NOON))


def read(inside: str, **values: str) -> Loaded:
    text = (
        'policy 1; client-group ci { address "10.20.0.0/16"; }'
        'registry hub { hosts "registry-1.docker.io"; aliases "docker.io" "index.docker.io"; '
        f'{inside} }} registry quay {{ hosts "quay.io"; }}'
    )
    return load(Source("p", text), {}, Secrets(**values))


def policy(inside: str, **values: str) -> Policy:
    loaded = read(inside, **values)
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


def given(policy: Policy, repository: str, client: str, authority: Authority = HUB) -> str:
    """The label of the account that a request goes upstream with."""
    registry = policy.registry_of(authority)
    assert registry is not None
    return policy.account(registry, authority, repository, client).label


@pytest.mark.parametrize(
    ("clients", "inside", "outside"),
    [
        ("", "10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 127.0.0.1 169.254.1.1 ::1 fd00::1 fe80::1 ::ffff:10.0.0.1",
         "192.0.2.1 8.8.8.8 2001:db8::1 172.32.0.1 nonsense ::ffff:8.8.8.8"),
        ("clients private;", "10.1.2.3", "8.8.8.8"),
        ("clients any;", "8.8.8.8 2001:db8::1 10.0.0.1 unknown", ""),
        ("clients ci;", "10.20.3.4 ::ffff:10.20.0.1", "10.21.0.1 127.0.0.1"),
        ('clients ci "192.0.2.0/24" "2001:db8::/32";', "10.20.3.4 192.0.2.9 2001:db8::9", "10.21.0.1 2001:db9::1"),
    ],
)  # fmt: skip
def test_a_credential_is_lent_to_those_it_names(clients: str, inside: str, outside: str) -> None:
    here = policy(f'auth basic {{ username "u"; password env A; {clients} }}', A=CANARY)
    assert {given(here, "a/b", client) for client in inside.split()} == {"basic u"}
    assert {given(here, "a/b", client) for client in outside.split()} <= {"anonymous"}
    assert given(here, "a/b", inside.split(maxsplit=1)[0], QUAY) == "anonymous", "another registry has none of it"


@pytest.mark.parametrize(
    ("repository", "client", "label"),
    [
        ("team-a/app", "10.20.0.1", "basic a"),
        ("team-a/app", "10.9.0.1", "bearer env B"),
        ("team-a/app/deep", "10.20.0.1", "basic a"),
        ("team-b/app", "10.20.0.1", "basic b"),
        ("team-b/app/deep", "10.20.0.1", "bearer env B"),
        ("library/redis", "10.20.0.1", "bearer env B"),
        ("", "10.20.0.1", "bearer env B"),
        ("library/redis", "8.8.8.8", "anonymous"),
    ],
)
def test_the_first_block_that_fits_repository_and_client_counts(repository: str, client: str, label: str) -> None:
    here = policy(
        'auth basic for "team-a/**" { username "a"; password env A; clients ci; }'
        'auth basic for "team-b/*" "team-c" { username "b"; password file "/run/A"; }'
        "auth bearer { token env B; }",
        A=CANARY,
        B="token",
    )
    assert given(here, repository, client) == label


def test_a_credential_says_where_it_is_from_and_when_it_was_read_and_nothing_of_itself() -> None:
    here = policy('auth basic { username "u"; password file "/run/A"; }', A=CANARY)
    registry = here.registry_of(HUB)
    assert registry is not None
    account = here.account(registry, HUB, "a/b", "10.0.0.1")
    assert isinstance(account, Lent)
    credential = account.credential
    assert (credential.login, credential.source, credential.read_at) == (Password("u", CANARY), "file /run/A", NOON)
    assert CANARY not in f"{account!r} {registry!r} {here!r}"


HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/")
AUTH = base64.b64encode(f"me:{CANARY}".encode()).decode()


@pytest.mark.parametrize("key", HUB_KEYS)
@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({"auth": AUTH}, Password("me", CANARY)),
        ({"username": "me", "password": CANARY}, Password("me", CANARY)),
        ({"auth": AUTH, "identitytoken": "refresh"}, IdentityToken("refresh")),
        ({"registrytoken": "bearer"}, BearerToken("bearer")),
        ({"registrytoken": "be\r\nX: y"}, None),
        ({}, None),
        ({"auth": "", "identitytoken": 7}, None),
    ],
)
def test_a_docker_config_has_a_login_for_the_hosts_of_the_block(
    key: str, entry: dict[str, object], login: Login | None
) -> None:
    registry = policy("").registry_of(HUB)
    assert registry is not None
    text = json.dumps({"auths": {"ghcr.io": {"auth": AUTH}, "no host/": {"auth": AUTH}, key: entry}})
    assert dict(read_logins(text, registry)) == ({HUB: login} if login is not None else {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("nonsense", "the file is no JSON"),
        ("[" * 60000, "the file is no JSON"),
        ("[]", "holds no login for a host of registry `hub`"),
        ('{"auths": {}}', "holds no login for a host of registry `hub`"),
        ('{"auths": {"docker.io": {"auth": "hunter2-Zq9"}}}', "no user and password in base64"),
        ('{"auths": {"docker.io": "hunter2-Zq9"}, "credsStore": "x"}', "holds no login for a host"),
    ],
)
def test_a_docker_config_without_a_login_is_an_error_that_shows_nothing_of_it(content: str, said: str) -> None:
    (found,) = read('auth docker-config { file "/run/A.json"; }', A=content).errors
    assert (found.code, said in found.sentence) == ("RP302", True), found.sentence
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("token", ["two words", "line\nline", "caf\u00e9"])
def test_a_token_that_could_break_a_field_is_refused(token: str) -> None:
    (found,) = read("auth bearer { token env A; }", A=token).errors
    assert (found.code, token in repr(found)) == ("RP302", False)


def test_nobody_is_lent_anything_where_the_policy_says_nothing() -> None:
    here = policy("")
    registry = here.registry_of(HUB)
    assert registry is not None
    assert here.account(registry, HUB, "a/b", "10.0.0.1") is ANONYMOUS
