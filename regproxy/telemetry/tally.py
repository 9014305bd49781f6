"""Plain numbers under the names of the catalogue: cheap to count, bounded in number, copied for a scrape."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, KeysView
from dataclasses import dataclass
from itertools import product

from regproxy.telemetry.metric import OTHER, Label, Metric


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One value of a bucket, the trace that it belongs to, and when it was, in seconds since the epoch."""

    trace: str
    value: float
    at: float


class Count:
    """One series: a counter that is added to, or a gauge that is set."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Spread:
    """One histogram: how many values fell into each bucket, the last being all beyond; and their sum."""

    __slots__ = ("_bounds", "_clock", "counts", "exemplars", "sum")

    def __init__(self, bounds: tuple[float, ...], clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._clock = clock
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: dict[int, Exemplar] = {}
        self.sum = 0.0

    def observe(self, value: float, trace: str = "") -> None:
        """Count one value; a bucket holds its bound, and remembers the last trace."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.sum += value
        if trace:
            self.exemplars[bucket] = Exemplar(trace, value, self._clock())


@dataclass(frozen=True, slots=True)
class Histogram:
    """One histogram as it stood."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    sum: float
    exemplars: dict[int, Exemplar]


@dataclass(frozen=True, slots=True)
class Sampled:
    """One metric as it stood: by label values a number, or histograms."""

    metric: Metric
    counts: tuple[tuple[tuple[str, ...], float], ...] = ()
    spreads: tuple[Histogram, ...] = ()


def summed(sampled: Iterable[Sampled], name: str, label: str) -> dict[str, float]:
    """The sums of one counter by one of its labels, without what never was."""
    found: dict[str, float] = {}
    for one in sampled:
        if one.metric.name == name:
            at = [str(each.name) for each in one.metric.labels].index(label)
            for values, count in one.counts:
                found[values[at]] = found.get(values[at], 0.0) + count
    return {value: count for value, count in found.items() if count}


class Tally:
    """Owns the series of a catalogue; belongs to one event loop. `clock` gives seconds since the epoch.

    Label values that are not of their label's set are `other`, and so is everything beyond a metric's bound.
    """

    def __init__(self, catalogue: Iterable[Metric], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._metrics = {metric.name: metric for metric in catalogue}
        self._counts: dict[str, dict[tuple[str, ...], Count]] = {}
        self._spreads: dict[str, dict[tuple[str, ...], Spread]] = {}
        self._values: dict[str, dict[str, None]] = {}
        for metric in self._metrics.values():
            (self._spreads if metric.type == "histogram" else self._counts)[metric.name] = {}
            for label in metric.labels:
                if not label.values:
                    self._values[label.name] = {}
        self._start()

    def count(self, name: str, *labels: str) -> Count:
        """The counter or gauge of these label values."""
        series = self._counts[name]
        found = series.get(labels)
        if found is None:
            fit = self._fit(self._metrics[name], labels, series.keys())
            found = series.get(fit) or series.setdefault(fit, Count())
        return found

    def spread(self, name: str, *labels: str) -> Spread:
        """The histogram of these label values."""
        series = self._spreads[name]
        found = series.get(labels)
        if found is None:
            metric = self._metrics[name]
            fit = self._fit(metric, labels, series.keys())
            found = series.get(fit) or series.setdefault(fit, Spread(metric.buckets, self._clock))
        return found

    def clear(self, name: str) -> None:
        """Drop the series of a metric, and the values that came with them."""
        self._counts[name].clear()
        for label in self._metrics[name].labels:
            if not label.values and not label.named:
                self._values[label.name].clear()

    def name(self, label: Label, values: Iterable[str]) -> None:
        """Let the policy's names into a label, their series there from now on; beyond its bound they are `other`."""
        known = self._values[label.name]
        for value in sorted(values):
            if len(known) < label.most:
                known.setdefault(value)
        self._start()

    def sampled(self) -> tuple[Sampled, ...]:
        """A copy that another thread may read."""
        return tuple(
            Sampled(
                metric,
                tuple((labels, count.value) for labels, count in self._counts.get(name, {}).items()),
                tuple(
                    Histogram(labels, tuple(spread.counts), spread.sum, dict(spread.exemplars))
                    for labels, spread in self._spreads.get(name, {}).items()
                ),
            )
            for name, metric in self._metrics.items()
        )

    def _fit(self, metric: Metric, labels: tuple[str, ...], taken: KeysView[tuple[str, ...]]) -> tuple[str, ...]:
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has the labels {', '.join(label.name for label in metric.labels)}")
        fit = tuple(self._value(label, value) for label, value in zip(metric.labels, labels, strict=True))
        rest = (OTHER,) * len(fit)
        # One place is kept for what finds none.
        return fit if fit in taken or len(taken) + (rest not in taken) < metric.children else rest

    def _value(self, label: Label, value: str) -> str:
        if label.values:
            return value if value in label.values else OTHER
        known = self._values[label.name]
        if value not in known and not label.named and len(known) < label.most:
            known[value] = None
        return value if value in known else OTHER

    def _start(self) -> None:
        """Let every series be there that can be before anything happens."""
        for metric in self._metrics.values():
            if metric.known_later:
                continue
            firsts = ((*self._values[label.name], OTHER) if label.named else label.first for label in metric.labels)
            for labels in product(*firsts):
                (self.spread if metric.type == "histogram" else self.count)(metric.name, *labels)
