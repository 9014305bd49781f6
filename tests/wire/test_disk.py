"""Trouble with the disk on its way between an edge and the core."""

import os
from pathlib import Path

import pytest

from regproxy.model.answer import Answer, Ask, Filling, Interrupted, Reply
from regproxy.model.event import HandshakeFailed, StoreFailed
from regproxy.model.message import Head
from regproxy.model.oci import Digest
from regproxy.wire.channel import FrameError
from regproxy.wire.frames import Happened
from regproxy.wire.plausible import plausible
from tests.wire.joined import LABELS, Fill, Joined, asked, told, until
from tests.wire.test_remote import filling

DIGEST = Digest("sha256", "0" * 64)


class Interrupting(Fill):
    """A fill that the disk interrupts."""

    async def beyond(self, offset: int) -> int:
        if self.have > offset:
            return self.have
        raise Interrupted("no space left")


def test_a_fill_that_the_disk_interrupts_is_interrupted_at_the_edge_too(tmp_path: Path) -> None:
    async def story(both: Joined) -> None:
        fill = Interrupting()
        fill.set(4)
        both.core.script = lambda _: filling(tmp_path, fill)
        answer = await both.edge.answer(asked())
        assert isinstance(answer, Filling)
        assert await answer.progress.beyond(0) == 4
        with pytest.raises(Interrupted, match="no space left"):
            await answer.progress.beyond(4)
        answer.progress.leave()
        os.close(answer.fd)
        await until(lambda: fill.left == 1)

    told(story)


def test_the_core_hears_of_what_cannot_be_read_before_the_next_question(tmp_path: Path) -> None:
    async def story(both: Joined) -> None:
        known: list[int] = []

        def script(_: Ask) -> Answer:
            known.append(len([event for event in both.core.events if isinstance(event, StoreFailed)]))
            return Reply(Head(200), b"", LABELS)

        both.core.script = script
        both.edge.report([HandshakeFailed("c", "a", "other"), StoreFailed("read", "Input/output error", DIGEST)])
        await both.edge.answer(asked())
        assert known == [1]
        assert [event for event in both.core.events if isinstance(event, StoreFailed)] == [
            StoreFailed("read", "Input/output error", DIGEST)
        ]

    told(story)


def test_an_edge_tells_of_no_other_trouble_with_a_disk() -> None:
    with pytest.raises(FrameError, match="more than read"):
        plausible(Happened(unread=(StoreFailed("write", "x"),)), "edge-1")
