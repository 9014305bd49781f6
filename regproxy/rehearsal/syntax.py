"""RE2's syntax, read as far as it is a regular language over ASCII (RE2's wiki, Syntax).

What is not read exactly raises InexpressibleError: a proof says nothing rather than something wrong.
"""

import re

from regproxy.rehearsal import characters as sets
from regproxy.rehearsal.regex import Assertion, At, Characters, Choice, Expression, Node, Repeat, Sequence

MAX_DEPTH = 60
_COUNT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
_FLAGS = re.compile(r"\?([imsU]*)(?:-([imsU]+))?([:)])")
_NAME = re.compile(r"\?P?<[A-Za-z0-9_]+>")
_OCTAL = re.compile(r"[0-7]{1,3}")
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")


class InexpressibleError(Exception):
    """A construct that is not read exactly."""


def read(text: str) -> Expression:
    """Read an expression that RE2 has compiled; raises InexpressibleError."""
    reader = _Reader(text)
    node = reader.choice(0)
    if reader.at < len(text):
        raise InexpressibleError(f"`{text[reader.at]}` closes nothing")
    return Expression(node, reader.beyond)


class _Reader:
    """A recursive descent over the text; flags hold to the end of the group they stand in."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.beyond = False
        self._any_case = False
        self._dot_all = False

    def choice(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise InexpressibleError("the groups are nested too deep")
        kept = self._any_case, self._dot_all
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        self._any_case, self._dot_all = kept
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            node = self._atom(depth)
            if node is not None:
                parts.append(self._repeated(node))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _take(self, text: str) -> bool:
        found = self.text.startswith(text, self.at)
        self.at += len(text) if found else 0
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise InexpressibleError("the expression ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def _repeated(self, node: Node) -> Node:
        """Quantifiers behind an atom; which match is preferred makes no other language."""
        while True:
            if self._take("*"):
                node = Repeat(node, 0, None)
            elif self._take("+"):
                node = Repeat(node, 1, None)
            elif self._take("?"):
                node = Repeat(node, 0, 1)
            elif found := self._match(_COUNT):
                least = int(found[1])
                most = (int(found[3]) if found[3] else None) if found[2] else least
                node = Repeat(node, least, most)
            else:
                return node
            self._take("?")

    def _atom(self, depth: int) -> Node | None:
        """The next atom; None for flags that stand alone."""
        match self._next():
            case "(":
                return self._group(depth)
            case "[":
                return self._class()
            case ".":
                return Characters(sets.EVERY if self._dot_all else sets.EVERY & ~sets.NEWLINE)
            case "^":
                return Assertion(At.BEGIN)
            case "$":
                return Assertion(At.END)
            case "\\":
                return self._escape()
            case character:
                return Characters(self._cased(self._one(ord(character))))

    def _group(self, depth: int) -> Node | None:
        kept = self._any_case, self._dot_all
        flags = None if self._match(_NAME) else self._match(_FLAGS)
        if flags:
            on, off, end = flags[1], flags[2] or "", flags[3]
            self._any_case = ("i" in on) or (self._any_case and "i" not in off)
            self._dot_all = ("s" in on) or (self._dot_all and "s" not in off)
            if end == ")":
                return None
        node = self.choice(depth + 1)
        if not self._take(")"):
            raise InexpressibleError("a group is not closed")
        self._any_case, self._dot_all = kept
        return node

    def _escape(self) -> Node:
        match self._next():
            case "A":
                return Assertion(At.BEGIN)
            case "z":
                return Assertion(At.END)
            case "b":
                return Assertion(At.BOUNDARY)
            case "B":
                return Assertion(At.INSIDE)
            case letter if letter.lower() in sets.PERL:
                return Characters(self._perl(letter))
            case _:
                self.at -= 1
                return Characters(self._cased(self._one(self._escaped())))

    def _perl(self, letter: str) -> int:
        found = sets.PERL[letter.lower()]
        return found if letter.islower() else sets.EVERY & ~found

    def _escaped(self) -> int:
        """The code point of an escape, behind its backslash."""
        if found := self._match(_HEX):
            return int(found[1] or found[2], 16)
        if found := self._match(_OCTAL):
            return int(found[0], 8)
        character = self._next()
        if character in _CONTROLS:
            return ord(_CONTROLS[character])
        if character.isascii() and character.isalnum():
            raise InexpressibleError(f"`\\{character}`")
        return ord(character)

    def _one(self, code: int) -> int:
        """The set of one code point; one beyond ASCII is in no set, as ours cannot tell it from its neighbours."""
        if code < sets.BEYOND:
            return 1 << code
        self._unsure()
        return 0

    def _unsure(self) -> None:
        self.beyond = True
        if self._any_case:
            raise InexpressibleError("letters beyond ASCII in any case")

    def _cased(self, found: int) -> int:
        if not self._any_case:
            return found
        self.beyond = self.beyond or bool(found & sets.FOLDED_BEYOND)
        return sets.both_cases(found)

    def _class(self) -> Node:
        negated = self._take("^")
        found, first = 0, True
        while first or not self._take("]"):
            first = False
            found |= self._member()
        found = self._cased(found)
        return Characters(sets.EVERY & ~found if negated else found)

    def _member(self) -> int:
        """One member of a class: a named class, a character, or a range."""
        if named := self._match(_POSIX):
            if named[2] not in sets.POSIX:
                raise InexpressibleError(named[0])
            found = sets.POSIX[named[2]]
            return sets.EVERY & ~found if named[1] else found
        if self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2].lower() in sets.PERL:
            self.at += 2
            return self._perl(self.text[self.at - 1])
        low = self._bound()
        if self.text[self.at : self.at + 1] != "-" or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return self._one(low)
        self.at += 1
        high = self._bound()
        if high < sets.BEYOND:
            return sets.between(low, high)
        self._unsure()
        return sets.between(low, sets.BEYOND - 1) if low < sets.BEYOND else 0

    def _bound(self) -> int:
        return self._escaped() if self._take("\\") else ord(self._next())
