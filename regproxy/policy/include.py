"""`include "dir/*.policy";`: the items of several files in one sequence, as if they stood where they are included."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from regproxy.model.secret import Origin, Secret
from regproxy.policy.diagnostic import Diagnostic, error, replaced, warning
from regproxy.policy.parse import parse
from regproxy.policy.schema import VERSION
from regproxy.policy.source import Source, Span
from regproxy.policy.syntax import Broken, Integer, Item, List, Statement, Text, Variable

MAX_DEPTH = 8
MAX_FILES = 64
MAX_TEXT = 2 * 1024 * 1024


class Files(Protocol):
    """Reads what a policy names; the policy itself touches nothing."""

    def include(self, including: str, pattern: str) -> Sequence[Source | Diagnostic]:
        """The files that a pattern names, relative to the file `including`, sorted; a finding for one that is no text.

        Raises ValueError, a sentence, for a file that is missing or lies outside the policy's folder.
        """
        ...

    def secret(self, origin: Origin, *, lines: bool = False) -> "Revealed":
        """The secret that a policy names, of many `lines` perhaps.

        Raises ValueError, a sentence without it, when it cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Revealed:
    """A secret as it was read; `exposed`: others on the machine can read it, too."""

    secret: Secret
    exposed: bool = False


class Alone:
    """No files: a policy that is a text and nothing else."""

    def secret(self, origin: Origin, *, lines: bool = False) -> Revealed:
        """Refuses every secret."""
        raise ValueError(f"{origin.kind} {origin.name[:60]} cannot be read for a policy that is not a file")

    def include(self, including: str, pattern: str) -> Sequence[Source | Diagnostic]:
        """Refuses every file."""
        raise ValueError(f'"{pattern[:60]}" cannot be included by {including}, which is not a file')


class Gathered:
    """All items of a policy and of the files that it includes; `complete` is False where a file is missing."""

    def __init__(self, source: Source, files: Files) -> None:
        self.items: list[Item] = []
        self.sources: list[Source] = []
        self.found: list[Diagnostic] = []
        self.complete = True
        self._files = files
        self._take(source, ())

    def _take(self, source: Source, chain: tuple[Source, ...]) -> None:
        parsed = parse(source)
        self.sources.append(source)
        self.found += parsed.diagnostics
        self.complete = self.complete and not any(isinstance(item, Broken) for item in parsed.items)
        versioned = _version(source, parsed.items, self.found, needed=not chain)
        for item in parsed.items[versioned if chain else 0 :]:
            self.items.append(item)
            if isinstance(item, Statement) and item.name.text == "include":
                self._statement(item, (*chain, source))

    def _statement(self, item: Statement, chain: tuple[Source, ...]) -> None:
        """Take in what an `include` names; of other arguments than these the schema says what is wrong."""
        match item.arguments:
            case (Text() as path,) | (List((Text() as path,)),):
                self._include(path, chain)
            case (Variable(name, span),) | (List((Variable(name, span),)),):
                # Names are known when all files are read, since a file may define some.
                self._wrong(span, f"`include` cannot take `${name}`", 'write the path itself, in "…"')
            case _:
                pass

    def _include(self, path: Text, chain: tuple[Source, ...]) -> None:
        try:
            included = self._files.include(chain[-1].name, path.text)
        except ValueError as wrong:
            self._wrong(path.span, str(wrong))
            return
        if not included:
            self.found.append(warning("RP121", path.span, f'"{path.text[:60]}" matches no file'))
        for source in included:
            if isinstance(source, Diagnostic):
                self.complete = False
                self.found.append(source)
            else:
                self._one(source, path.span, chain)

    def _one(self, source: Source, place: Span, chain: tuple[Source, ...]) -> None:
        names = [earlier.name for earlier in chain]
        if source.name in names:
            circle = " -> ".join([*names[names.index(source.name) :], source.name])
            self._wrong(place, f"the file includes itself: {circle}", "take one `include` out of the circle")
        elif any(source.name == earlier.name for earlier in self.sources):
            self.found.append(error("RP106", place, f"{source.name} is included twice", help="keep one"))
        elif len(chain) > MAX_DEPTH:
            self._wrong(place, f"more than {MAX_DEPTH} files include one another", "include it from higher up")
        elif len(self.sources) >= MAX_FILES:
            self._wrong(place, f"more than {MAX_FILES} files", "join some of them")
        elif len(source.text) + sum(len(earlier.text) for earlier in self.sources) > MAX_TEXT:
            self._wrong(place, f"the files have more than {MAX_TEXT // 1024:,} KiB together", "are they policies?")
        else:
            self._take(source, chain)

    def _wrong(self, span: Span, sentence: str, hint: str = "") -> None:
        self.complete = False
        self.found.append(error("RP120", span, sentence, help=hint))


def _version(source: Source, items: Sequence[Item], found: list[Diagnostic], *, needed: bool) -> int:
    """RP010: the version stands first, so that a newer file is not misread by an older program; 1 where it does."""
    first = items[0] if items else None
    if isinstance(first, Statement) and first.name.text == "policy":
        match first.arguments:
            case (Integer(number, span),) if number != VERSION:
                sentence = f"this program reads version {VERSION} of the language, not {number}"
                found.append(error("RP010", span, sentence, help=f"write `policy {VERSION};`"))
            case _:
                pass
        return 1
    if isinstance(first, Broken) or not needed:
        return 0
    place = first.span if first is not None else Span(source, 0, 0)
    start = Span(place.source, place.start, place.start + len(place.text.split("\n", 1)[0]))
    sentence = "a policy begins with its version"
    fix = replaced(Span(source, 0, 0), f"policy {VERSION};\n")
    found.append(error("RP010", start, sentence, help=f"write `policy {VERSION};` as the first statement", fix=fix))
    return 0
