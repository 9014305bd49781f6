"""Files that pages need, which anybody may have."""

import sys

import pytest

from regproxy.admin.pages import file


@pytest.mark.parametrize(("path", "kind"), [("/style.css", "text/css; charset=utf-8"), ("/icon.svg", "image/svg+xml")])
def test_a_file_is_read_once(path: str, kind: str) -> None:
    found = file(path)
    assert found is not None
    assert (found.status, found.kind) == (200, kind)
    assert file(path) is found


def test_what_strangers_ask_for_is_not_remembered() -> None:
    path = "/" + "x" * 10_000
    before = sys.getrefcount(path)
    assert file(path) is None
    assert sys.getrefcount(path) == before, "each path that is no file would stay in memory"
