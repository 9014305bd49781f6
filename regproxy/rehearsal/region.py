"""Sets of requests as boxes: in each variable the cells that are in, as bits; a box is the product of them."""

from collections.abc import Iterable

from regproxy.rehearsal.budget import Budget, UndecidedError

Box = tuple[int, ...]
Region = tuple[Box, ...]

MAX_BOXES = 4000
# What it costs to cut one.
STEPS_PER_BOX = 8
NOTHING: Region = ()


def meet(one: Box, other: Box) -> Box | None:
    """What is in both boxes, or None."""
    cells = tuple(a & b for a, b in zip(one, other, strict=True))
    return cells if all(cells) else None


def intersect(one: Region, other: Region, budget: Budget) -> Region:
    """What is in both regions; raises UndecidedError above MAX_BOXES."""
    budget.spend(2 * len(one) * len(other))
    return _bounded(dict.fromkeys(found for a in one for b in other if (found := meet(a, b)) is not None))


def union(regions: Iterable[Region]) -> Region:
    """What is in one of the regions; raises UndecidedError above MAX_BOXES."""
    return _bounded(dict.fromkeys(box for region in regions for box in region))


def subtract(region: Region, taken: Region, budget: Budget) -> Region:
    """What is in the region and not in the other, as boxes that do not overlap where those of the region do not."""
    for cut in taken:
        budget.spend(STEPS_PER_BOX * len(region))
        pieces = [piece for box in region for piece in _outside(box, cut)]
        if len(pieces) > len(region):
            budget.spend(STEPS_PER_BOX * len(pieces))
            pieces = _joined(pieces)
        region = _bounded(pieces)
    return region


def meets(one: Region, other: Region, budget: Budget) -> bool:
    """Whether a request is in both."""
    budget.spend(2 * len(one) * len(other))
    return any(meet(a, b) is not None for a in one for b in other)


def _outside(box: Box, cut: Box) -> Iterable[Box]:
    """The box without the cut: for each variable the part beyond it, within it in the variables before."""
    if meet(box, cut) is None:
        return (box,)
    pieces = []
    inside = list(box)
    for variable, cells in enumerate(cut):
        beyond = inside[variable] & ~cells
        if beyond:
            pieces.append((*inside[:variable], beyond, *inside[variable + 1 :]))
        inside[variable] &= cells
    return pieces


def _joined(boxes: list[Box]) -> list[Box]:
    """Boxes that differ in one variable only as one."""
    for variable in range(len(boxes[0]) if boxes else 0):
        groups: dict[Box, int] = {}
        for box in boxes:
            rest = (*box[:variable], 0, *box[variable + 1 :])
            groups[rest] = groups.get(rest, 0) | box[variable]
        boxes = [(*rest[:variable], cells, *rest[variable + 1 :]) for rest, cells in groups.items()]
    return boxes


def _bounded(boxes: Iterable[Box]) -> Region:
    found = tuple(boxes)
    if len(found) > MAX_BOXES:
        raise UndecidedError
    return found
