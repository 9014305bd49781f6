"""The tables: what was promised beside what was seen, and the figures behind it."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.rows import ROWS, Figures, Measurement, Row

Rounds = Sequence[Mapping[str, Figures]]


def promises(results: Mapping[str, Rounds]) -> Iterator[str]:
    """One line for each row whose measurement was made."""
    yield "| path | at least | aim | median | min .. max | |"
    yield "|---|---|---|---|---|---|"
    for row in ROWS:
        if rounds := results.get(row.measurement):
            yield _promise(row, row.values(rounds))


def _promise(row: Row, values: Sequence[float]) -> str:
    shown = [f"{value:.3g}{row.unit}" for value in (row.at_least, row.aim, statistics.median(values))]
    extent = f"{min(values):.3g} .. {max(values):.3g}"
    return f"| {row.path} | {' | '.join(shown)} | {extent} | {'holds' if row.holds(values) else '**fails**'} |"


def figures(results: Mapping[str, Rounds], measurements: Sequence[Measurement]) -> Iterator[str]:
    """Medians of every figure of every contender."""
    yield "| measurement | of | figures, medians |"
    yield "|---|---|---|"
    for measurement in measurements:
        rounds = results.get(measurement.title, ())
        for name in measurement.contenders if rounds else ():
            names = rounds[0][name]
            medians = {figure: statistics.median(one[name][figure] for one in rounds) for figure in names}
            yield f"| {measurement.title} | {name} | {', '.join(f'{v:.4g} {k}' for k, v in medians.items())} |"
