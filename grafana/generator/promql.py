"""PromQL for panels: every selector carries the dashboard's variables, every rate Grafana's interval."""

INSTANCES = 'job=~"$job",instance=~"$instance"'
REGISTRY = 'registry=~"$registry"'


def series(name: str, *matchers: str) -> str:
    """The series of a metric of the chosen instances, which the matchers narrow."""
    return f"{name}{{{','.join((INSTANCES, *matchers))}}}"


def rate(name: str, *matchers: str) -> str:
    """A counter's growth per second."""
    return f"rate({series(name, *matchers)}[$__rate_interval])"


def growth(name: str, *matchers: str) -> str:
    """A counter's growth over what the dashboard shows."""
    return f"increase({series(name, *matchers)}[$__range])"


def total(expression: str, *by: str) -> str:
    """The sum over everything but the labels `by`."""
    return _aggregated("sum", expression, by)


def least(expression: str, *by: str) -> str:
    """The smallest for each value of the labels `by`."""
    return _aggregated("min", expression, by)


def greatest(expression: str, *by: str) -> str:
    """The largest for each value of the labels `by`."""
    return _aggregated("max", expression, by)


def quantile(share: float, histogram: str, *by: str, matchers: tuple[str, ...] = ()) -> str:
    """The value below which `share` of a histogram's observations lie, for each value of the labels `by`."""
    buckets = total(rate(f"{histogram}_bucket", *matchers), *by, "le")
    return f"histogram_quantile({share}, {buckets})"


def quantile_shown(share: float, histogram: str) -> str:
    """The value below which `share` of all that the dashboard shows lies; nothing where nothing was observed."""
    return f"histogram_quantile({share}, {total(growth(f'{histogram}_bucket'), 'le')}) >= 0"


def per_minute(expression: str) -> str:
    """What happens so seldom that a second's share of it says nothing."""
    return f"60 * ({expression})"


def ratio(part: str, whole: str) -> str:
    """A part of a whole, each summed on its own; nothing where there is no whole."""
    return f"{part}\n/ ({whole} > 0)"


def occurring(name: str, *matchers: str, by: tuple[str, ...]) -> str:
    """A counter's growth per second where it grew at all: a legend of many zeros hides the one that is not."""
    grown = total(growth(name, *matchers), *by)
    return f"{total(rate(name, *matchers), *by)}\nand {grown} > 0"


def seconds_since(timestamp: str) -> str:
    """How long ago a timestamp was; nothing where none was ever set."""
    return f"time() - ({timestamp} > 0)"


def _aggregated(operator: str, expression: str, by: tuple[str, ...]) -> str:
    return f"{operator} by ({', '.join(by)}) ({expression})" if by else f"{operator}({expression})"
