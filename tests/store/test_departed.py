"""What left of late."""

import pytest

from regproxy.model.oci import Digest
from regproxy.store import departed
from regproxy.store.departed import Departed


def digest(number: int) -> Digest:
    return Digest("sha256", f"{number:064x}")


def test_what_comes_back_counts_once() -> None:
    gone = Departed()
    gone.add(digest(1))
    assert [gone.returned(digest(1)), gone.returned(digest(1)), gone.returned(digest(2))] == [True, False, False]


def test_the_oldest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departed, "MAX_DEPARTED", 2)
    gone = Departed()
    for number in (1, 2, 1, 3):
        gone.add(digest(number))
    assert [gone.returned(digest(number)) for number in (1, 2, 3)] == [True, False, True]
