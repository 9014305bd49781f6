"""`regproxy grants` asking the running proxy: who may read what, and taking that back."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Story
from tests.e2e.test_cache_commands import empty
from tests.e2e.test_live import run, running, socket_path
from tests.e2e.test_reload import HOST, TAG, TYPE
from tests.lab.answers import Answer
from tests.lab.certificates import Pki
from tests.lab.client import Client
from tests.lab.hostile import Hostile

__all__ = ["empty", "socket_path"]
REPOSITORY = f"{HOST}/team/app"


def test_an_operator_sees_who_may_read_and_takes_it_back(
    story: Story, hostile: Hostile, pki: Pki, socket_path: Path
) -> None:
    proxy = running(story, hostile, pki, socket_path)
    at = ("--admin", f"unix:{socket_path}")
    with Client(proxy.port, proxy.ca_file, f"{HOST}:443") as client:
        assert client.get(TAG, Accept=TYPE).status == 200
        listed = run("grants", "ls", *at).stdout.splitlines()
        assert [line.split()[:2] for line in listed] == [["REPOSITORY", "WHO"], [REPOSITORY, "anyone"]]
        hostile.on(HOST, TAG, Answer(401))
        assert client.get(TAG, Accept=TYPE).status == 200
        assert run("grants", "revoke", REPOSITORY, *at).stdout == "1 revoked\n"
        assert client.get(TAG, Accept=TYPE).status == 401
    assert run("grants", "revoke", REPOSITORY, *at).returncode == 1
    assert json.loads(run("grants", "ls", REPOSITORY, "--json", *at).stdout) == {"public": [], "lent": [], "own": []}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("revoke",), "name a `repository`"),
        (("revoke", "--identity", "ab"), "at least 12 digits"),
        (("ls", "nowhere.test/a/b"), "names no registry nowhere.test"),
    ],
)
def test_what_names_no_grant_is_said(arguments: tuple[str, ...], sentence: str, empty: str) -> None:
    said = run("grants", *arguments, "--admin", empty)
    assert (said.returncode, sentence in said.stderr) == (2, True), said.stderr
