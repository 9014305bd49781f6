"""The `limits { }` of a registry block: what its registries are asked for at most, and for whom the last of it is."""

from regproxy.model.registry import Rate, Reserve
from regproxy.policy.check import Checked
from regproxy.policy.diagnostic import Diagnostic, error
from regproxy.policy.given import Entry
from regproxy.policy.groups import Groups
from regproxy.policy.syntax import Frequency, Integer, Word


def pulls(registry: Checked) -> Rate | None:
    """How many pulls in how long a time."""
    entry = _entry(registry, "pulls")
    given = entry.arguments if entry is not None else ()
    return next((Rate(one.count, one.seconds) for one in given if isinstance(one, Frequency)), None)


def concurrent(registry: Checked) -> int | None:
    """How many requests at once."""
    entry = _entry(registry, "concurrent")
    given = entry.arguments if entry is not None else ()
    return next((one.number for one in given if isinstance(one, Integer)), None)


def reserve(registry: Checked, groups: Groups, found: list[Diagnostic]) -> Reserve | None:
    """How many pulls are kept for which group; RP108 where that is all of them."""
    entry = _entry(registry, "reserve")
    match entry.arguments if entry is not None else ():
        case (Integer(kept, span), Word(name, place)):
            cap = pulls(registry)
            if cap is not None and kept >= cap.count:
                sentence = f"of {cap.count} pulls {kept} are kept, so that none is left for anybody else"
                found.append(error("RP108", span, sentence, help="keep fewer than `pulls` allows"))
            group = groups.find(name, place, found)
            return Reserve(kept, group) if group is not None else None
        case _:
            return None


def _entry(registry: Checked, key: str) -> Entry | None:
    return next((entry for block in registry.inner("limits") for entry in block.all(key)), None)
