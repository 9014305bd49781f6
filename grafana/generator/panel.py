"""What a panel is, in our words: a question, the queries that answer it, and how the answer is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Colour = Literal[
    "green", "light-green", "super-light-green", "semi-dark-green", "yellow", "light-yellow", "orange", "red",
    "dark-red", "blue", "light-blue", "semi-dark-blue", "purple", "gray",
]  # fmt: skip
GRID = 24
PER_MINUTE = "opm"  # the unit of what happens seldom
States = tuple[tuple[int, str, Colour], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and what its series are called; `{{label}}` stands for a label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every panel has: `title` is a question, `description` says how to read the answer."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Asked):
    """One large number, coloured by the `steps` it reached; the first colour holds below the first step.

    Where it stands for a state, `states` has the words.
    """

    first: Colour = "green"
    steps: tuple[tuple[float, Colour], ...] = ()
    states: States = ()
    empty: str = "0"
    width: int = 4
    height: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Asked):
    """Lines over time; `colours` gives series whose names match a pattern their colour on every dashboard.

    `empty` is shown where there is no series at all; `bounds` is the pattern of series that others are held against.
    """

    stacked: bool = False
    colours: Mapping[str, Colour] = field(default_factory=dict)
    bounds: str = ""
    most: float | None = None
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heatmap(Asked):
    """Buckets of a histogram over time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline(Asked):
    """States over time: `states` names each value and gives its colour."""

    states: States


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table: an expression with a value for each row."""

    name: str
    expression: str
    unit: str
    states: States = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Asked):
    """A row for each value of the labels that `rows` names, a column for each expression."""

    rows: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    queries: tuple[Query, ...] = ()
    width: int = GRID


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLogs(Asked):
    """The log entries of which there are most, counted by Loki."""

    width: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGraph(Graph):
    """What Loki counts in log lines, over time."""

    width: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines(Asked):
    """Log lines themselves, newest first."""

    width: int = GRID


Panel = Number | Graph | Heatmap | Timeline | Table | TopLogs | LogGraph | LogLines


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading, which flow into the grid from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard; `single` names one registry at a time, `logs` asks Loki."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    single: bool = False
    logs: bool = False
