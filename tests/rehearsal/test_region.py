"""Boxes as sets: every operation against Python's own sets of points."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regproxy.rehearsal.budget import Budget, UndecidedError
from regproxy.rehearsal.region import MAX_BOXES, Box, Region, intersect, meets, subtract, union

Point = tuple[int, ...]
STEPS = 1_000_000


def regions() -> st.SearchStrategy[Region]:
    return st.lists(st.tuples(*[st.integers(1, 7)] * 3), max_size=5).map(tuple)


def points(region: Region) -> set[Point]:
    cells = [[[at for at in range(3) if one >> at & 1] for one in box] for box in region]
    return {point for box in cells for point in product(*box)}


@given(regions(), regions())
def test_regions_are_sets(one: Region, other: Region) -> None:
    budget = Budget(STEPS)
    assert points(intersect(one, other, budget)) == points(one) & points(other)
    assert points(union([one, other])) == points(one) | points(other)
    assert points(subtract(one, other, budget)) == points(one) - points(other)
    assert meets(one, other, budget) is bool(points(one) & points(other))


@given(regions())
def test_what_is_left_of_one_box_does_not_overlap(taken: Region) -> None:
    left = subtract(((7, 7, 7),), taken, Budget(STEPS))
    assert sum(len(points((box,))) for box in left) == len(points(left))


def test_too_many_boxes_and_too_many_steps_are_undecided() -> None:
    many: list[Box] = [(1 << at, 1 << at) for at in range(MAX_BOXES + 1)]
    with pytest.raises(UndecidedError):
        union([tuple(many)])
    with pytest.raises(UndecidedError):
        intersect(tuple(many[:100]), tuple(many[:100]), Budget(50))
