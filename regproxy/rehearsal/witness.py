"""A request out of a region, as a URL that people can paste, confirmed by the code that decides."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from regproxy.model.decision import PolicyRequest
from regproxy.rehearsal.reference import Rehearsed, rehearse
from regproxy.rehearsal.region import Box, Region
from regproxy.rehearsal.shapes import SHAPES, Shape
from regproxy.rehearsal.space import Space, Variable

MAX_TRIED = 24


def witness(
    space: Space, regions: Mapping[Shape, Region], confirm: Callable[[PolicyRequest], bool]
) -> Rehearsed | None:
    """A request out of the regions of the shapes that the confirmation takes; None when none of those tried is one.

    Where the path follows from the names, or a pattern is not decided, a region may be wider than what there is.
    """
    candidates = (one for shape in SHAPES for box in regions[shape] for one in _requests(space, shape, box))
    tried = islice(candidates, MAX_TRIED)
    return next((one for one in tried if one.request is not None and confirm(one.request)), None)


def _requests(space: Space, shape: Shape, box: Box) -> Iterator[Rehearsed]:
    """The requests of a box that are tried: of its first cells, then of the next cell of one variable."""
    domains = space.domains(shape)
    cells = [[at for at in range(cells.bit_length()) if cells >> at & 1] for cells in box[: len(Variable)]]
    first = tuple(one[0] for one in cells)
    of_client, of_user = (box[one] != domains[one].every for one in (Variable.CLIENT, Variable.USER))
    points = [first]
    points += [(*first[:at], other, *first[at + 1 :]) for at, one in enumerate(cells) for other in one[1:3]]
    for point in points:
        words = [domain.words[at] for domain, at in zip(domains, point, strict=True)]
        authority = space.places[point[Variable.AUTHORITY]].authority
        for path in dict.fromkeys(_paths(shape, words)):
            url = f"https://{authority.name}{path}"
            client = words[Variable.CLIENT] if of_client else ""
            user = words[Variable.USER] if of_user else ""
            yield rehearse(space.policies[0], url, words[Variable.METHOD], client, user)


def _paths(shape: Shape, words: list[str]) -> Iterator[str]:
    """The path that follows from the names, and the one that the region has."""
    if shape.path:
        reference = words[Variable.REFERENCE]
        names = {"REPOSITORY": words[Variable.REPOSITORY], "TAG": reference, "DIGEST": reference, "(?:/.*)?": "/"}
        path = shape.path
        for name, word in names.items():
            path = path.replace(name, word)
        yield path
    if words[Variable.PATH]:
        yield words[Variable.PATH]


def in_words(found: Rehearsed) -> str:
    """The request as people write it."""
    request = found.request
    seen = (f"user {request.user}" if request.user else "", request.client) if request is not None else ()
    client = f" by {' at '.join(filter(None, seen))}" if any(seen) else ""
    return f"{found.method} https://{found.authority.name}{found.target}{client}"
