"""What comes in one turn of the loop goes on as one, in its order, and within bounds."""

import asyncio

import pytest

from regproxy.cache.batch import BATCH_BYTES, MAX_PIECES, Batch


@pytest.mark.parametrize(
    ("pieces", "batches"),
    [
        pytest.param([b"a", b"b", b"c"], [3], id="what came in one turn is one batch"),
        pytest.param([b"x" * (BATCH_BYTES // 2)] * 5, [2, 2, 1], id="a batch has so many bytes"),
        pytest.param([b"x" * BATCH_BYTES * 2, b"y"], [1, 1], id="a large piece is a batch"),
        pytest.param([b"x"] * (MAX_PIECES + 1), [MAX_PIECES, 1], id="a batch has so many pieces"),
        pytest.param([], [], id="nothing is handed on as nothing"),
    ],
)
def test_pieces_of_one_turn_are_handed_on_together(pieces: list[bytes], batches: list[int]) -> None:
    async def story() -> list[list[bytes]]:
        handed: list[list[bytes]] = []
        batch = Batch(handed.append)
        for piece in pieces:
            batch.add(piece)
        await asyncio.sleep(0)
        batch.flush()
        return handed

    handed = asyncio.run(story())
    assert [len(one) for one in handed] == batches
    assert [piece for one in handed for piece in one] == pieces


def test_a_batch_waits_for_nothing_but_the_end_of_the_turn() -> None:
    async def story() -> None:
        handed: list[list[bytes]] = []
        batch = Batch(handed.append)
        for number in range(3):
            batch.add(b"%d" % number)
            assert len(handed) == number
            await asyncio.sleep(0)
            assert handed[number:] == [[b"%d" % number]]
        batch.add(b"end")
        batch.flush()
        await asyncio.sleep(0)
        assert handed[3:] == [[b"end"]]

    asyncio.run(story())
