"""What a row of the catalogue of metrics is: a name, a type, labels with a bound each, and a sentence."""

import math
from dataclasses import dataclass
from typing import Literal

PREFIX = "regproxy_"
OTHER = "other"
# What no metric may grow beyond, whatever its labels multiply to; what comes later is counted under `other`.
MAX_CHILDREN = 2000


@dataclass(frozen=True, slots=True)
class Label:
    """A label: `values` is a closed set, `named` takes the policy's names, else the first `most` values that come.

    Every other value is `other`. The `first` values have their series before anything happens.
    """

    name: str
    values: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    most: int = 0
    named: bool = False

    @property
    def bound(self) -> int:
        """How many values there can be, `other` included."""
        return len({*self.values, OTHER}) if self.values else self.most + 1


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `name` is without the prefix and without the `_total` of a counter; `buckets` in the metric's unit.

    `known_later`: there is no series before something is known, a time or an allowance for one. `prefix` is another
    one where the name is another program's.
    """

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    known_later: bool = False
    prefix: str = PREFIX

    @property
    def family(self) -> str:
        """The name of the family of samples."""
        return self.prefix + self.name

    @property
    def queried(self) -> tuple[str, ...]:
        """The names that a query may ask for."""
        match self.type:
            case "counter":
                return (f"{self.family}_total",)
            case "gauge":
                return (self.family,)
            case "histogram":
                return tuple(f"{self.family}_{part}" for part in ("bucket", "count", "sum"))

    @property
    def children(self) -> int:
        """How many sets of label values there can be; the last one may be `other` throughout."""
        return min(math.prod(label.bound for label in self.labels), MAX_CHILDREN)

    @property
    def bound(self) -> int:
        """How many series there can be."""
        # Beside its buckets a histogram has +Inf, a count and a sum.
        return self.children * (len(self.buckets) + 3 if self.type == "histogram" else 1)
