"""Whether values have the types that Grafana's own model of a dashboard gives them: reading into it does not ask."""

import enum
import inspect
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def misfits(value: Any, hint: Any, where: str) -> Iterator[str]:
    """The places at which a value is not what its type says."""
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        # The model leaves some parts as they were read.
        value = hint.from_json(value)
    if origin in {Union, UnionType}:
        # Where one of the types fits from outside, what is wrong lies deeper in it; None fits only itself.
        likely = [one for one in arguments if one is not NoneType] if value is not None else [NoneType]
        tried = [list(misfits(value, one, where)) for one in likely if one in arguments]
        yield from max(tried, key=_depth) if all(tried) else ()
    elif origin is list and isinstance(value, list):
        for place, one in enumerate(value):
            yield from misfits(one, arguments[0], f"{where}[{place}]")
    elif origin is dict and isinstance(value, dict):
        for key, one in value.items():
            yield from misfits(one, arguments[1], f"{where}.{key}")
    elif not _fits(value, hint, origin, arguments):
        yield f"{where}: {value!r} is no {hint}"
    elif hasattr(value, "to_json"):
        for name, one in get_type_hints(type(value)).items():
            yield from misfits(getattr(value, name), one, f"{where}.{name}")


def _depth(found: list[str]) -> int:
    return max((len(place.partition(":")[0]) for place in found), default=0)


def _fits(value: Any, hint: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if hint in {Any, object}:
        return True
    if origin is Literal:
        return value in arguments
    if hint is None or hint is NoneType:
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return value in [member.value for member in hint]
    return inspect.isclass(hint) and isinstance(value, hint)
