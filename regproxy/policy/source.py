"""Policy texts and places in them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """One policy text; `name` is what people call the file."""

    name: str
    text: str = field(repr=False)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def line(self, number: int) -> str:
        """One line, without its end."""
        return self.text.split("\n")[number - 1].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a source: offsets in characters, `stop` excluded."""

    source: Source
    start: int
    stop: int

    @property
    def line(self) -> int:
        """The line on which the piece starts, from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column at which the piece starts, from 1."""
        return self.source.position(self.start)[1]

    @property
    def text(self) -> str:
        """The piece itself, as written."""
        return self.source.text[self.start : self.stop]

    @property
    def end(self) -> "Span":
        """The empty place right after the piece."""
        return Span(self.source, self.stop, self.stop)

    def to(self, other: "Span") -> "Span":
        """From the start of this piece to the end of another one of the same source."""
        return Span(self.source, self.start, max(self.stop, other.stop))
