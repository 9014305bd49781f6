"""Local tokens: what they say is read back, for their registry, while they last."""

import pytest

from regproxy.cache.local_token import GRACE_SECONDS, MAX_LOGIN, MAX_SCOPE, TOKEN_SECONDS, LocalTokens, readable
from regproxy.model.login import BearerToken, IdentityToken, Login, Password
from tests.cache.world import GHCR, QUAY, SEAL

PULL = "repository:a/b:pull"


@pytest.mark.parametrize(
    "login",
    [
        Password("alice", 'wonder:land  *"'),
        Password("_json_key", '{"type": "service_account",\n "key": "ä\udcff"}'),
        IdentityToken("x.y.z"),
        BearerToken("t"),
    ],
)
def test_a_token_holds_its_login_and_shows_nothing_of_it(login: Login) -> None:
    now = [1000.0]
    tokens = LocalTokens(lambda: SEAL, lambda: now[0])
    token = tokens.issue(QUAY, login, PULL)
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()
    found = tokens.read(QUAY, token)
    assert found is not None
    assert (found.login, found.scope, found.until) == (login, PULL, 1000.0 + TOKEN_SECONDS)
    assert tokens.read(GHCR, token) is None
    now[0] += TOKEN_SECONDS + GRACE_SECONDS - 1
    assert tokens.read(QUAY, token) == found, "most clients never ask again"
    now[0] += 1
    assert tokens.read(QUAY, token) is None


@pytest.mark.parametrize("token", ["", "regproxy-login.v1.", "regproxy-login.v1.AAAA", "regproxy-login.v1.ä", "x" * 9])
def test_what_we_did_not_issue_says_nothing(token: str) -> None:
    assert LocalTokens(lambda: SEAL, lambda: 0.0).read(QUAY, token) is None


def test_what_is_too_long_to_be_a_header_gets_no_token() -> None:
    tokens = LocalTokens(lambda: SEAL, lambda: 0.0)
    with pytest.raises(ValueError, match="the login is longer than"):
        tokens.issue(QUAY, Password("u", "p" * MAX_LOGIN), PULL)
    with pytest.raises(ValueError, match="the scope is longer than"):
        tokens.issue(QUAY, Password("u", "p"), "s" * (MAX_SCOPE + 1))


@pytest.mark.parametrize(
    ("scope", "repositories"),
    [
        ("repository:a/b:pull", ["a/b"]),
        ("repository:a/b:pull,push repository:c:*", ["a/b", "c"]),
        ("repository:a/b:push", []),
        ("repository(plugin):a/b:pull", ["a/b"]),
        ("registry:catalog:*", [""]),
        ("repository:localhost:5000/a:pull", ["localhost:5000/a"]),
        ("nonsense :: repository repository:a", []),
        ("", []),
    ],
)
def test_a_scope_names_what_it_lets_read(scope: str, repositories: list[str]) -> None:
    assert list(readable(scope)) == repositories
