"""Texts to a policy: every problem of every file in one run, and a policy only when none is an error."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from regproxy.policy.access import build_access
from regproxy.policy.check import Checked, check_items
from regproxy.policy.connecting import ConnectTable
from regproxy.policy.definitions import Definitions
from regproxy.policy.diagnostic import Diagnostic, error, nearest
from regproxy.policy.expression import Names
from regproxy.policy.groups import build_groups
from regproxy.policy.include import Alone, Files, Gathered
from regproxy.policy.limits import build_limits, contradictions
from regproxy.policy.policy import Policy, make_policy
from regproxy.policy.readers import open_to_anyone
from regproxy.policy.registries import build_registries
from regproxy.policy.scenario import TierNames, build_scenarios
from regproxy.policy.schema import POLICY
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import Item, Let, Text
from regproxy.policy.tier import build_tiers
from regproxy.policy.times import surprising_times
from regproxy.policy.tunnelling import build_tunnel, needless_exceptions
from regproxy.policy.warming import build_warm

ALONE = Alone()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a text: the policy, unless something was an error, and all findings in the order of the text.

    `sources` are the text and the files that it includes, as far as they could be read; `folders` those in which
    includes were looked for; `secrets` the files in which secrets were.
    """

    policy: Policy | None
    diagnostics: tuple[Diagnostic, ...]
    sources: tuple[Source, ...] = ()
    folders: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that stop the policy."""
        return tuple(diagnostic for diagnostic in self.diagnostics if diagnostic.is_error)

    @property
    def files(self) -> frozenset[str]:
        """Every file whose content counts: the policy, what it includes, its secrets and its CA files.

        A secret counts even where it is what stops the policy: its repair is noticed.
        """
        named = self.policy.registries if self.policy is not None else ()
        texts = frozenset(source.name for source in self.sources)
        return texts | self.secrets | {name for one in named for name in one.ca_files}


def load(source: Source, known: Mapping[str, Source], files: Files = ALONE) -> Loaded:
    """Read a policy; `known` are the packaged files that it may include, `files` reads its own. Never raises."""
    gathered = Gathered(source, files)
    found = gathered.found
    items = _resolved(gathered.items, found)
    top = check_items(POLICY, "", Span(source, 0, 0), items, found)
    included = _included(top, known, found)
    fragments = [check_items(POLICY, "", Span(text, 0, 0), _fragment(text, found), found) for text in included]
    known_blocks = [block for fragment in fragments for block in fragment.inner("registry")]
    groups = build_groups(top.inner("client-group"), found, complete=_whole(top, gathered, "client-group"))
    access = build_access(top, groups, files, found)
    registries = build_registries(top.inner("registry"), known_blocks, groups, files, found)
    blocks = frozenset(block.name for block in registries.blocks)
    names = Names(blocks, complete=_all_named(top, gathered, known), groups=groups)
    defaults = top.inner("defaults")
    common = defaults[0] if defaults else None
    cache = build_limits(top.inner("cache"))
    found += contradictions(top, cache)
    tiers = build_tiers(top.inner("tier"), common, names, found)
    if not any(one.is_error for one in found):
        found += surprising_times(tiers, top.inner("tier"), common, cache)
        found += open_to_anyone([*top.inner("defaults"), *top.inner("tier")])
    table = ConnectTable(registries.blocks, build_tunnel(top, files, found))
    found += needless_exceptions(top, table) if not any(one.is_error for one in found) else ()
    named = frozenset(block.name for block in top.inner("tier"))
    tests = build_scenarios(top.inner("test"), table, TierNames(named, complete=_whole(top, gathered, "tier")), found)
    warm = build_warm(top.inner("warm"), table, found)
    diagnostics = ordered(found, gathered.sources)
    sources = tuple(gathered.sources)
    if any(diagnostic.is_error for diagnostic in diagnostics):
        return Loaded(None, diagnostics, sources)
    policy = make_policy(
        source.name,
        _checksum(*gathered.sources, *included),
        cache=cache,
        tiers=tiers,
        hosts=registries.hosts,
        connecting=table,
        groups=tuple(groups.named.values()),
        access=access,
        tests=tests,
        warm=warm,
    )
    return Loaded(policy, diagnostics, sources)


def _resolved(items: Iterable[Item], found: list[Diagnostic]) -> list[Item]:
    """The items with every `$name` known, the definitions themselves taken out."""
    definitions = Definitions(found)
    resolved: list[Item] = []
    for item in items:
        if isinstance(item, Let):
            definitions.define(item)
        else:
            resolved.append(definitions.resolve(item))
    definitions.unused()
    return resolved


def ordered(found: Iterable[Diagnostic], sources: Sequence[Source]) -> tuple[Diagnostic, ...]:
    """Each finding once, file by file in the order of reading, in the order of the text."""
    place = {source.name: at for at, source in reversed(list(enumerate(sources)))}
    once = dict.fromkeys(found)
    return tuple(
        sorted(
            once, key=lambda one: (place.get(one.span.source.name, len(place)), one.span.source.name, one.span.start)
        )
    )


def _all_named(top: Checked, gathered: Gathered, known: Mapping[str, Source]) -> bool:
    """Whether every registry block is known by name: none was lost to a syntax error or a wrong include."""
    included = (
        given.text for entry in top.all("include known") for given in entry.arguments if isinstance(given, Text)
    )
    return _whole(top, gathered, "registry") and all(name in known for name in included)


def _whole(top: Checked, gathered: Gathered, key: str) -> bool:
    """Whether no block of a kind was lost to a syntax error or has no name."""
    return gathered.complete and all(block.name for block in top.inner(key))


def _included(top: Checked, known: Mapping[str, Source], found: list[Diagnostic]) -> list[Source]:
    """The packaged files that the policy includes, each once."""
    sources: dict[str, Source] = {}
    for entry in top.all("include known"):
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


def _fragment(source: Source, found: list[Diagnostic]) -> list[Item]:
    gathered = Gathered(source, ALONE)
    found += gathered.found
    return _resolved(gathered.items, found)


def _checksum(*sources: Source) -> str:
    """One hash over all texts; lengths keep them apart."""
    digest = hashlib.sha256()
    for source in sources:
        text = source.text.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text) + text)
    return digest.hexdigest()
