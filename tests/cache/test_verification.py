"""What is let through of a body while it is hashed, piece by piece."""

import asyncio
import hashlib
import random
from unittest.mock import Mock

import pytest

from regproxy.cache.verification import HOLD_BACK, Prefix, Verification
from regproxy.model.answer import BrokenBody
from regproxy.model.message import ByteRange
from regproxy.model.oci import Digest

SIZE = 200_000
BODY = random.Random(1).randbytes(SIZE)
DIGEST = Digest("sha256", hashlib.sha256(BODY).hexdigest())


def prefix(end: int, tail: int) -> Prefix:
    return Prefix(end, BODY[end - tail : end], hashlib.sha256(BODY[:end]))


def shown(verification: Verification, body: bytes, piece: int = 7_001) -> tuple[bytes, bytes]:
    """What came out before the end of the body, and what at its end."""
    early = b"".join(verification.take(body[at : at + piece]) for at in range(0, len(body), piece))
    return early, asyncio.run(verification.rest())


@pytest.mark.parametrize(
    "window",
    [
        ByteRange(0, SIZE),
        ByteRange(0, 1),
        ByteRange(5, 9),
        ByteRange(SIZE - 1, SIZE),
        ByteRange(SIZE - HOLD_BACK - 5, SIZE),
        ByteRange(SIZE - HOLD_BACK, SIZE - 3),
        ByteRange(100_000, 150_000),
    ],
)
def test_a_window_shows_its_part_and_nothing_of_the_last_64_kib_before_the_end(window: ByteRange) -> None:
    early, late = shown(Verification(DIGEST, Mock(), window), BODY)
    assert early + late == BODY[window.start : window.stop]
    assert len(early) <= max(0, SIZE - HOLD_BACK - window.start)


def test_without_a_window_all_is_shown() -> None:
    assert b"".join(shown(Verification(DIGEST, Mock()), BODY)) == BODY


@pytest.mark.parametrize(("end", "tail"), [(100_000, HOLD_BACK), (100_000, 0), (30_000, 30_000), (SIZE - 1, 50_000)])
def test_behind_a_prefix_its_tail_comes_first_and_its_hash_goes_on(end: int, tail: int) -> None:
    known = prefix(end, tail)
    window = ByteRange(known.start, SIZE)
    for _ in range(2):  # each reader goes on from the same prefix
        early, late = shown(Verification(DIGEST, Mock(), window, known), BODY[end:])
        assert early + late == BODY[end - tail :]
        assert len(late) >= min(HOLD_BACK, SIZE - end + tail)


@pytest.mark.parametrize(
    "body", [BODY[:-1], BODY + b"x", BODY[:-1] + bytes([BODY[-1] ^ 1]), bytes([BODY[0] ^ 1]) + BODY[1:], b""]
)
def test_any_other_body_never_shows_its_end(body: bytes) -> None:
    mismatched = Mock()
    verification = Verification(DIGEST, mismatched)
    early = verification.take(body)
    with pytest.raises(BrokenBody, match="hash"):
        asyncio.run(verification.rest())
    assert len(early) <= max(0, len(body) - HOLD_BACK)
    mismatched.assert_called_once_with()


def test_a_window_beyond_the_end_is_no_whole_answer() -> None:
    verification = Verification(DIGEST, Mock(), ByteRange(0, SIZE + 1))
    verification.take(BODY)
    with pytest.raises(BrokenBody, match="shorter"):
        asyncio.run(verification.rest())
