"""Who a client is: passwords are verified once, a bounded number at a time, and guessing is slowed down."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from regproxy.cache import users as room
from regproxy.cache.users import MAX_FAILURES, Users, read_basic
from regproxy.model.access import Access, ProxyUsers
from regproxy.model.connect import ProxyUser
from regproxy.model.secret import Origin
from tests.cache.world import World, told

PASSWORD = 'a: *"  b'
HASHES = {
    "ann": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "ben": bcrypt.hashpw(b"ben's", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
}
CLIENT = "10.0.0.1"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Desk:
    """The users of a policy in a world, and how many hashes were made."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.set(HASHES)
        self.hashed = 0
        self.users = Users(world.core._engines, lambda: self.policy)
        checkpw = bcrypt.checkpw

        def counted(password: bytes, hashed: bytes) -> bool:
            self.hashed += 1
            return checkpw(password, hashed)

        monkeypatch.setattr(bcrypt, "checkpw", counted)

    def set(self, hashes: dict[str, str] | None) -> None:
        users = None if hashes is None else ProxyUsers(Origin("file", "/users"), hashes)
        self.policy = replace(self.world.policy, access=Access(users))

    async def says(self, proof: str, client: str = CLIENT) -> str | int:
        found = await self.users.identify(client, proof)
        return found.name if isinstance(found, ProxyUser) else found.status


def run(story: Callable[[Desk], Coroutine[Any, Any, None]], directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def inside(world: World) -> None:
        await story(Desk(world, monkeypatch))

    told(inside, directory)


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (basic("ann", PASSWORD), "ann"),
        (basic("ben", "ben's"), "ben"),
        (basic("ann", PASSWORD).replace("Basic", "bAsIc"), "ann"),
        (basic("ann", "wrong"), 407),
        (basic("ann", ""), 407),
        (basic("ann", PASSWORD + "x" * 80), 407),
        (basic("nobody", PASSWORD), 407),
        (basic("", PASSWORD), 407),
        (basic("ann", "a\0b"), 407),
        ("Basic " + base64.b64encode(b"ann").decode(), 407),
        ("Basic " + base64.b64encode(b"ann:\xff").decode(), 407),
        ("Basic !!!", 407),
        ("Basic", 407),
        ("Bearer abc", 407),
        ("", 407),
    ],
)
def test_a_client_is_who_its_password_proves(
    proof: str, said: str | int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        assert await desk.says(proof) == said
        desk.set(None)
        assert await desk.says(proof) == "", "without users nobody is anybody, and nobody is refused for it"

    run(story, tmp_path, monkeypatch)


def test_a_password_is_hashed_once_and_again_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        right, wrong = basic("ann", PASSWORD), basic("ann", "wrong")
        assert await asyncio.gather(*(desk.says(right) for _ in range(50))) == ["ann"] * 50
        assert [await desk.says(wrong) for _ in range(5)] == [407] * 5
        assert desk.hashed == 2
        desk.set({"ann": HASHES["ben"]})
        assert await desk.says(right) == 407
        assert await desk.says(basic("ann", "ben's")) == "ann"
        desk.set({})
        assert await desk.says(right) == 407

    run(story, tmp_path, monkeypatch)


def test_one_that_is_no_user_takes_as_long_as_one_that_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        assert await desk.says(basic("nobody", PASSWORD)) == 407
        assert desk.hashed == 1

    run(story, tmp_path, monkeypatch)


def test_guessing_is_slowed_down_and_who_is_known_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        assert await desk.says(basic("ann", PASSWORD)) == "ann"
        guesses = [await desk.says(basic("ben", f"guess {number}")) for number in range(MAX_FAILURES + 5)]
        assert guesses == [407] * MAX_FAILURES + [429] * 5
        assert desk.hashed == 1 + MAX_FAILURES
        assert await desk.says(basic("ann", PASSWORD)) == "ann"
        assert await desk.says(basic("ben", "ben's"), "10.0.0.2") == "ben"
        desk.world.now += room.FAILURE_SECONDS
        assert await desk.says(basic("ben", "ben's")) == "ben"

    run(story, tmp_path, monkeypatch)


def test_no_more_wait_for_a_hash_than_a_queue_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WAITING", 4)

    async def story(desk: Desk) -> None:
        # The last waits for what the first asked.
        proofs = [basic("ann", f"guess {number}") for number in (*range(8), 0)]
        said = await asyncio.gather(*(desk.says(proof, f"10.0.1.{at}") for at, proof in enumerate(proofs)))
        assert said == [407] * 4 + [503] * 4 + [407]
        assert desk.hashed == 4

    run(story, tmp_path, monkeypatch)


def test_no_password_and_no_hash_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        await desk.says(basic("ann", PASSWORD))
        kept = repr([vars(desk.users)[name] for name in ("_known", "_failures")])
        assert PASSWORD not in kept
        assert "$2b$" not in kept

    run(story, tmp_path, monkeypatch)


def test_a_colon_ends_the_name_and_may_stand_in_the_password() -> None:
    assert read_basic("Basic " + base64.b64encode(b"a:b:c").decode()) == ("a", b"b:c")
