"""How many connections an edge may serve."""

import resource

import pytest

from regproxy.app.capacity import (
    DESCRIPTORS_EACH,
    DESCRIPTORS_IN_TLS,
    MAX_DESCRIPTORS,
    RESERVED,
    capacity,
    claim_descriptors,
)
from regproxy.proxy.crowd import Capacity


@pytest.mark.parametrize(
    ("descriptors", "total", "each", "workers", "secured", "room"),
    [
        (65536, None, None, 1, False, Capacity(21674, 10837)),
        (1024, None, None, 4, False, Capacity(170, 85)),
        (64, None, None, 1, False, Capacity(10, 5)),
        (4, None, None, 1, False, Capacity(1, 1)),
        (65536, 1000, None, 1, False, Capacity(1000, 500)),
        (65536, 1000, 20, 4, False, Capacity(250, 5)),
        (65536, 2, 1, 4, False, Capacity(1, 1)),
        (1024, 10**6, 10**6, 1, False, Capacity(170, 170)),
        (65536, None, None, 1, True, Capacity(13004, 6502)),
        (1024, 10**6, 10**6, 1, True, Capacity(102, 102)),
    ],
)
def test_connections_leave_descriptors_for_everything_else(
    descriptors: int, total: int | None, each: int | None, workers: int, secured: bool, room: Capacity
) -> None:
    assert capacity(descriptors, total, each, workers, secured=secured) == room
    one = DESCRIPTORS_IN_TLS if secured else DESCRIPTORS_EACH
    assert room.total * one <= max(one, descriptors - min(RESERVED, descriptors // 2))


@pytest.mark.parametrize(
    ("soft", "hard", "claimed", "set_to"),
    [
        (1024, 4096, 4096, (4096, 4096)),
        (4096, 4096, 4096, None),
        (1024, resource.RLIM_INFINITY, MAX_DESCRIPTORS, (MAX_DESCRIPTORS, resource.RLIM_INFINITY)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, MAX_DESCRIPTORS, None),
    ],
)
def test_a_process_takes_the_descriptors_that_it_may_have(
    soft: int, hard: int, claimed: int, set_to: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    assert claim_descriptors() == claimed
    assert given == ([set_to] if set_to else [])
