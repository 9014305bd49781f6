"""The cookie of who logged in: bound to the token and to its time."""

import asyncio
from pathlib import Path

import pytest

from regproxy.admin.sessions import MAX_COOKIE, SESSION_SECONDS, Sessions
from regproxy.admin.token import TokenFile

TOKEN, NEXT = "0123456789abcdef", "fedcba9876543210"


def begun(sessions: Sessions, token: str = TOKEN) -> str:
    cookie = asyncio.run(sessions.begin(token))
    assert cookie is not None
    return cookie.partition(";")[0]


def holds(sessions: Sessions, cookies: str) -> bool:
    return asyncio.run(sessions.holds(cookies))


def test_a_session_ends_with_its_time_and_with_its_token(tmp_path: Path) -> None:
    path, now = tmp_path / "token", [1000.0]
    path.write_text(f"{TOKEN}\n{NEXT}")
    sessions = Sessions(TokenFile(path), lambda: now[0])
    assert asyncio.run(sessions.begin("f" * 16)) is None
    cookie, other = begun(sessions), begun(sessions, NEXT)
    assert holds(sessions, f"theme=dark; {cookie}")
    assert not holds(sessions, f"theme={'a' * MAX_COOKIE}; {cookie}"), "more is not looked through"
    now[0] += SESSION_SECONDS
    assert not holds(sessions, cookie)
    now[0] -= 1
    assert (holds(sessions, cookie), holds(sessions, other)) == (True, True)
    path.write_text(NEXT)
    assert (holds(sessions, cookie), holds(sessions, other)) == (False, True)
    assert not sessions.is_form(cookie, sessions.form(other))


@pytest.mark.parametrize(
    "cookies",
    ["", "regproxy=", "regproxy=9999999999.a.b", "regproxy=x.y.z", "regproxy=" + "9" * 40, "a" * 2000, "\xe9"],
)
def test_what_nobody_was_given_opens_nothing(tmp_path: Path, cookies: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    assert not holds(Sessions(TokenFile(tmp_path / "token")), cookies)


def test_on_the_socket_nobody_logs_in_and_forms_are_still_ours_alone() -> None:
    sessions, other = Sessions(None), Sessions(None)
    assert holds(sessions, "")
    assert asyncio.run(sessions.begin(TOKEN)) is None
    assert (sessions.is_form("", sessions.form("")), sessions.is_form("", other.form(""))) == (True, False)
