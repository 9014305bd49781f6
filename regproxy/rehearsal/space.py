"""All requests that can reach the tiers, in boxes, and the region of them in which a condition holds.

The requests of each shape are the product of seven variables, each cut into cells by what the policies ask. A pattern
that cannot be decided is a variable more, true or false as it likes: what is proved holds either way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import assert_never

from regproxy.model.decision import PolicyRequest
from regproxy.policy.condition import Anything, Condition, Either, Every, Not, Predicate, predicates
from regproxy.policy.operand import FromNetwork, InGroup, OnHostLike, Operand
from regproxy.policy.policy import Policy
from regproxy.policy.schema import METHODS
from regproxy.rehearsal.budget import Budget
from regproxy.rehearsal.clients import clients, users
from regproxy.rehearsal.domain import Domain, Test, decidable, explore, test_of
from regproxy.rehearsal.grammars import DIGESTS, REPOSITORY, TAG
from regproxy.rehearsal.places import places
from regproxy.rehearsal.region import NOTHING, Box, Region, intersect, union
from regproxy.rehearsal.shapes import SHAPES, Shape

# A method that no policy can name.
OTHER_METHOD = "TRACE"
_TRUE, _FALSE, _EITHER = 1, 2, 3


class Variable(IntEnum):
    """What a request consists of, beside its shape."""

    METHOD = 0
    AUTHORITY = 1
    REPOSITORY = 2
    REFERENCE = 3
    PATH = 4
    CLIENT = 5
    USER = 6


VARIABLES = {
    "method": Variable.METHOD,
    "host": Variable.AUTHORITY,
    "registry": Variable.AUTHORITY,
    "repo": Variable.REPOSITORY,
    "tag": Variable.REFERENCE,
    "digest": Variable.REFERENCE,
    "ref": Variable.REFERENCE,
    "path": Variable.PATH,
    "client": Variable.CLIENT,
}
# A test that cannot be decided: of which variable, and beside which port of a host.
_Free = tuple[Variable, Test, str]


class Space:
    """The requests that all of some policies intercept; raises UndecidedError when they ask too much."""

    def __init__(self, policies: Sequence[Policy], budget: Budget) -> None:
        self.policies = policies
        self._budget = budget
        self._asked: dict[str, dict[Test, None]] = {}
        free: dict[_Free, None] = {}
        for attribute, operand in _operands(policies):
            # Kinds are shapes, and registries are few: RE2 itself matches their names.
            if attribute not in ("kind", "registry"):
                self._asked.setdefault(attribute, {})[test_of(operand)] = None
                if decidable(test_of(operand), ascii_only=attribute != "path") is None:
                    free[_free(attribute, operand)] = None
        self._free: Mapping[_Free, int] = {one: len(Variable) + at for at, one in enumerate(free)}
        self.places = places(policies, self._tests("host"), budget)
        self._domains = self._explore()
        self._on_places: dict[tuple[int, str, Test, str], int] = {}

    @property
    def free(self) -> tuple[str, ...]:
        """The expressions that cannot be decided."""
        return tuple(dict.fromkeys(text for _, (_, text), _ in self._free))

    def domains(self, shape: Shape) -> tuple[Domain, ...]:
        """The cells of each variable of a shape."""
        return self._domains[shape]

    def every(self, shape: Shape) -> Box:
        """All requests of a shape."""
        return (*(domain.every for domain in self._domains[shape]), *(_EITHER for _ in self._free))

    def region(self, condition: Condition, shape: Shape, policy: int = 0) -> Region:
        """The requests of a shape that fulfil a condition of one of the policies; raises UndecidedError."""
        return self._region(condition, shape, policy, wanted=True)

    def _tests(self, *attributes: str) -> tuple[Test, ...]:
        return tuple(dict.fromkeys(test for attribute in attributes for test in self._asked.get(attribute, ())))

    def _explore(self) -> Mapping[Shape, tuple[Domain, ...]]:
        """The domains of each shape; what several shapes have in common is explored once."""
        budget = self._budget
        methods = (*METHODS, OTHER_METHOD)
        method = Domain(methods, {(None, name): 1 << at for at, name in enumerate(methods)})
        authority = Domain(tuple(place.authority.name for place in self.places))
        nothing = Domain()
        repository = explore([REPOSITORY], self._tests("repo"), budget)
        references = {
            "": nothing,
            "tag": explore([TAG], self._tests("tag", "ref"), budget),
            "digest": explore(DIGESTS, self._tests("digest", "ref"), budget),
        }
        paths = self._tests("path")
        groups = [one for _, one in _operands(self.policies) if isinstance(one, FromNetwork | InGroup)]
        client = clients(network for one in groups for network in one.networks)
        user = users(name for one in groups for name in one.users)
        return {
            shape: (
                method,
                authority,
                repository if shape.named else nothing,
                references[shape.reference],
                explore([shape.paths], paths, budget) if paths or not shape.path else nothing,
                client,
                user,
            )
            for shape in SHAPES
        }

    def _region(self, condition: Condition, shape: Shape, policy: int, *, wanted: bool) -> Region:
        """Where the condition is what is wanted: a negation wants the opposite of what is in it."""
        match condition:
            case Anything():
                return (self.every(shape),) if wanted else NOTHING
            case Predicate():
                return self._predicate(condition, shape, policy, wanted=wanted != condition.negated)
            case Not(inner):
                return self._region(inner, shape, policy, wanted=not wanted)
            case Every(parts) | Either(parts):
                regions = (self._region(part, shape, policy, wanted=wanted) for part in parts)
                if isinstance(condition, Either) is wanted:
                    return union(regions)
                return self._common(shape, regions)
            case _:
                assert_never(condition)

    def _common(self, shape: Shape, regions: Iterable[Region]) -> Region:
        common: Region = (self.every(shape),)
        for region in regions:
            common = intersect(common, region, self._budget)
            if not common:
                break
        return common

    def _predicate(self, predicate: Predicate, shape: Shape, policy: int, *, wanted: bool) -> Region:
        """Where any operand admits the attribute, or where none does."""
        every = self.every(shape)
        if predicate.attribute == "kind":
            of_shape = PolicyRequest("", "", "", str(shape.kind), "")
            holding = any(operand.admits(of_shape) for operand in predicate.operands)
            return (every,) if holding is wanted else NOTHING
        if not shape.has(predicate.attribute):
            return NOTHING if wanted else (every,)
        admitted: dict[int, int] = {}
        free = []
        for operand in predicate.operands:
            position = self._free.get(_free(predicate.attribute, operand))
            if position is not None and predicate.attribute != "registry":
                free.append(position)
            else:
                for variable, cells in self._admitted(predicate.attribute, operand, shape, policy):
                    admitted[variable] = admitted.get(variable, 0) | cells
        if wanted:
            boxes = [_limited(every, one, cells) for one, cells in admitted.items()]
            boxes += [_limited(every, one, _TRUE) for one in free]
            return tuple(box for box in boxes if all(box))
        box = every
        for one, cells in admitted.items():
            box = _limited(box, one, ~cells)
        for one in free:
            box = _limited(box, one, _FALSE)
        return (box,) if all(box) else NOTHING

    def _admitted(self, attribute: str, operand: Operand, shape: Shape, policy: int) -> Iterator[tuple[Variable, int]]:
        """The cells of a variable that an operand admits; a group admits some of either of two."""
        variable, domains = VARIABLES[attribute], self._domains[shape]
        if isinstance(operand, FromNetwork | InGroup):
            yield from ((Variable.CLIENT, domains[Variable.CLIENT].tests[None, str(one)]) for one in operand.networks)
            yield from ((Variable.USER, domains[Variable.USER].tests[None, one]) for one in operand.users)
        elif variable is not Variable.AUTHORITY:
            yield variable, domains[variable].tests.get(test_of(operand), 0)
        else:
            yield variable, self._cells_of_places(attribute, operand, policy)

    def _cells_of_places(self, attribute: str, operand: Operand, policy: int) -> int:
        """The places that an operand admits."""
        key = policy, attribute, test_of(operand), getattr(operand, "port", "")
        if key not in self._on_places:
            self._on_places[key] = sum(
                1 << at
                for at, place in enumerate(self.places)
                if operand.admits(PolicyRequest("", place.authority.name, place.registries[policy], "", ""))
            )
        return self._on_places[key]


def _operands(policies: Iterable[Policy]) -> Iterator[tuple[str, Operand]]:
    """Every operand with its attribute."""
    for policy in policies:
        for tier in policy.tiers:
            for predicate in predicates(tier.condition):
                yield from ((predicate.attribute, operand) for operand in predicate.operands)


def _free(attribute: str, operand: Operand) -> _Free:
    return VARIABLES[attribute], test_of(operand), operand.port if isinstance(operand, OnHostLike) else ""


def _limited(box: Box, variable: int, cells: int) -> Box:
    return (*box[:variable], box[variable] & cells, *box[variable + 1 :])
