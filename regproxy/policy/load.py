"""Texts to a policy: every problem of every file in one run, and a policy only when none is an error."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from regproxy.model.connect import TunnelRules
from regproxy.model.entry import CacheLimits
from regproxy.policy.check import Checked, check_items
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.diagnostic import Diagnostic, error, nearest
from regproxy.policy.expression import Names
from regproxy.policy.given import Cidr
from regproxy.policy.parse import Parsed, parse
from regproxy.policy.policy import Policy, make_policy
from regproxy.policy.registries import build_registries
from regproxy.policy.schema import POLICY
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import Broken, Duration, Integer, Item, Percent, Size, Statement, Text, Word
from regproxy.policy.tier import build_tiers

VERSION = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a text: the policy, unless something was an error, and all findings in the order of the text."""

    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that stop the policy."""
        return tuple(diagnostic for diagnostic in self.diagnostics if diagnostic.is_error)


def load(source: Source, known: Mapping[str, Source]) -> Loaded:
    """Read a policy; `known` are the packaged files that it may include. Never raises."""
    parsed = parse(source)
    found = list(parsed.diagnostics)
    _version(source, parsed, found)
    top = check_items(POLICY, "", Span(source, 0, 0), parsed.items, found)
    included = _included(top, known, found)
    fragments = [check_items(POLICY, "", Span(text, 0, 0), _fragment(text, found), found) for text in included]
    known_blocks = [block for fragment in fragments for block in fragment.inner("registry")]
    registries = build_registries(top.inner("registry"), known_blocks, found)
    names = Names(frozenset(block.name for block in registries.blocks), complete=_all_named(top, parsed, known))
    defaults = top.inner("defaults")
    tiers = build_tiers(top.inner("tier"), defaults[0] if defaults else None, names, found)
    table = ConnectTable(registries.blocks, _tunnel(top))
    diagnostics = tuple(
        sorted(found, key=lambda one: (one.span.source != source, one.span.source.name, one.span.start))
    )
    if any(diagnostic.is_error for diagnostic in diagnostics):
        return Loaded(None, diagnostics)
    policy = make_policy(
        source.name,
        _checksum(source, *included),
        cache=_cache(top),
        tiers=tiers,
        hosts=registries.hosts,
        connecting=table,
    )
    return Loaded(policy, diagnostics)


def _all_named(top: Checked, parsed: Parsed, known: Mapping[str, Source]) -> bool:
    """Whether every registry block is known by name: none was lost to a syntax error or a wrong include."""
    lost = any(isinstance(item, Broken) for item in parsed.items)
    nameless = any(not block.name for block in top.inner("registry"))
    included = (given.text for entry in top.all("include") for given in entry.arguments if isinstance(given, Text))
    return not lost and not nameless and all(name in known for name in included)


def _version(source: Source, parsed: Parsed, found: list[Diagnostic]) -> None:
    """RP010: the version stands first, so that a newer file is not misread by an older program."""
    first = parsed.items[0] if parsed.items else None
    if isinstance(first, Statement) and first.name.text == "policy":
        match first.arguments:
            case (Integer(number, span),) if number != VERSION:
                sentence = f"this program reads version {VERSION} of the language, not {number}"
                found.append(error("RP010", span, sentence, help=f"write `policy {VERSION};`"))
            case _:
                pass
        return
    if isinstance(first, Broken):
        return
    place = first.span if first is not None else Span(source, 0, 0)
    start = Span(place.source, place.start, place.start + len(place.text.split("\n", 1)[0]))
    sentence = "a policy begins with its version"
    found.append(error("RP010", start, sentence, help=f"write `policy {VERSION};` as the first statement"))


def _included(top: Checked, known: Mapping[str, Source], found: list[Diagnostic]) -> list[Source]:
    """The packaged files that the policy includes, each once."""
    sources: dict[str, Source] = {}
    for entry in top.all("include"):
        for given in entry.arguments:
            if not isinstance(given, Text):
                continue
            if given.text not in known:
                sentence = f'there is no packaged file "{given.text[:60]}"'
                found.append(error("RP120", given.span, sentence, help=nearest(given.text, known)))
            elif given.text in sources:
                found.append(error("RP106", entry.span, f'"{given.text}" is included twice', help="keep one"))
            else:
                sources[given.text] = known[given.text]
    return list(sources.values())


def _fragment(source: Source, found: list[Diagnostic]) -> tuple[Item, ...]:
    parsed = parse(source)
    found += parsed.diagnostics
    return parsed.items


def _tunnel(top: Checked) -> TunnelRules:
    blocks = top.inner("tunnel")
    if not blocks:
        return TunnelRules()
    block = blocks[0]
    ports = [given for entry in block.all("ports") for given in entry.arguments]
    numbers = frozenset(given.number for given in ports if isinstance(given, Integer))
    return TunnelRules(
        allow=_texts(block, "allow"),
        deny=_texts(block, "deny"),
        ports=numbers or TunnelRules().ports,
        any_port=any(isinstance(given, Word) for given in ports),
        allow_address=tuple(
            given.network
            for entry in block.all("allow-address")
            for given in entry.arguments
            if isinstance(given, Cidr)
        ),
    )


def _texts(block: Checked, key: str) -> tuple[str, ...]:
    return tuple(given.text for entry in block.all(key) for given in entry.arguments if isinstance(given, Text))


def _cache(top: Checked) -> CacheLimits:
    limits = CacheLimits()
    size, inactive, min_free, share = limits.size, limits.inactive, limits.min_free, limits.min_free_share
    for block in top.inner("cache"):
        given = {key: entries[0].arguments[0] for key, entries in block.entries.items()}
        match given.get("size"):
            case Size(count):
                size = count
        match given.get("inactive"):
            case Duration(seconds):
                inactive = seconds
        match given.get("min-free"):
            case Size(count):
                min_free, share = count, 0.0
            case Percent(part):
                min_free, share = 0, part
    return CacheLimits(size, inactive, min_free, share)


def _checksum(*sources: Source) -> str:
    """One hash over all texts; lengths keep them apart."""
    digest = hashlib.sha256()
    for source in sources:
        text = source.text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text) + text)
    return digest.hexdigest()
