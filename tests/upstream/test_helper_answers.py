"""What helpers said is kept for minutes, asked for once at a time, and anew when it is refused."""

import asyncio
from pathlib import Path

import pytest

from regproxy.model.address import Authority
from regproxy.model.login import FromHelper, Password
from regproxy.upstream.helper_answers import FAILED_SECONDS, KEPT_SECONDS, Helpers

ASKED = FromHelper("docker-credential-x", Authority("a.example", 443))


class Keychain:
    """A helper that says what lies in a file, and how often it was asked."""

    def __init__(self, directory: Path) -> None:
        self.now = 0.0
        self._secret, self._count = directory / "secret", directory / "count"
        program = directory / ASKED.command
        program.write_text(f"#!/bin/sh\necho >>{self._count}\nexec cat {self._secret}\n")
        program.chmod(0o755)
        self.helpers = Helpers(directory, lambda: self.now)
        self.failures: list[str] = []

    @property
    def asked(self) -> int:
        return self._count.read_text().count("\n") if self._count.exists() else 0

    def says(self, secret: str | None) -> None:
        self._secret.write_text(f'{{"Username": "me", "Secret": "{secret}"}}' if secret else "nothing")

    async def password(self) -> str | None:
        said = await self.helpers.get(ASKED, self.failures.append)
        return said.login.password if isinstance(said.login, Password) else None


@pytest.fixture
def keychain(tmp_path: Path) -> Keychain:
    return Keychain(tmp_path)


def test_a_hundred_who_ask_at_once_ask_it_once_and_again_after_five_minutes(keychain: Keychain) -> None:
    async def story() -> None:
        keychain.says("one")
        assert set(await asyncio.gather(*(keychain.password() for _ in range(100)))) == {"one"}
        keychain.says("two")
        keychain.now = KEPT_SECONDS - 1
        assert (await keychain.password(), keychain.asked) == ("one", 1)
        keychain.now = KEPT_SECONDS
        assert (await keychain.password(), keychain.asked) == ("two", 2)
        await keychain.helpers.close()

    asyncio.run(story())


def test_where_it_fails_what_it_said_goes_on_until_that_is_refused(keychain: Keychain) -> None:
    async def story() -> None:
        keychain.says("one")
        await keychain.password()
        keychain.says(None)
        keychain.now = KEPT_SECONDS
        assert (await keychain.password(), await keychain.password(), keychain.asked) == ("one", "one", 2)
        said = await keychain.helpers.renewed(ASKED, Password("me", "one"), keychain.failures.append)
        assert (said.login, said.failure) == (None, "docker-credential-x answered no JSON")
        assert (await keychain.password(), keychain.asked) == (None, 3), "not asked by each pull"
        assert keychain.failures == ["docker-credential-x answered no JSON"] * 2, "told each time that it was asked"
        keychain.says("two")
        keychain.now += FAILED_SECONDS
        assert (await keychain.password(), keychain.asked) == ("two", 4)

    asyncio.run(story())


def test_what_is_refused_is_asked_for_anew_by_one_of_many(keychain: Keychain) -> None:
    async def story() -> None:
        keychain.says("one")
        await keychain.password()
        keychain.says("two")
        refused = Password("me", "one")
        found = await asyncio.gather(
            *(keychain.helpers.renewed(ASKED, refused, keychain.failures.append) for _ in range(50))
        )
        assert ({said.login for said in found}, keychain.asked) == ({Password("me", "two")}, 2)

    asyncio.run(story())
