"""A scrape: what was sampled, in the text format or in OpenMetrics, as whoever asks prefers."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from regproxy.telemetry.tally import Histogram, Sampled


class _Sample(Collector):
    def __init__(self, sampled: Iterable[Sampled]) -> None:
        self._sampled = sampled

    def collect(self) -> Iterator[Family]:
        return map(_family, self._sampled)


def exposition(sampled: Iterable[Sampled], accept: str) -> tuple[bytes, str]:
    """The page and its media type, for a request with this Accept; takes milliseconds, so not on an event loop."""
    encode, kind = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Sample(sampled))
    # What the process itself uses, under the names that every program of this kind has.
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return encode(registry), kind


def _family(sampled: Sampled) -> Family:
    metric = sampled.metric
    names = [label.name for label in metric.labels]
    match metric.type:
        case "histogram":
            histogram = HistogramMetricFamily(metric.family, metric.help, labels=names)
            bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
            for one in sampled.spreads:
                histogram.add_metric(one.labels, _buckets(one, bounds), one.sum)
            return histogram
        case "counter":
            counter = CounterMetricFamily(metric.family, metric.help, labels=names)
            for labels, value in sampled.counts:
                counter.add_metric(labels, value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(metric.family, metric.help, labels=names)
            for labels, value in sampled.counts:
                gauge.add_metric(labels, value)
            return gauge


def _buckets(histogram: Histogram, bounds: list[str]) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Each bucket with all that is below it, and a trace that belongs to it where one is known."""
    counted = list(zip(bounds, accumulate(histogram.counts), strict=True))
    if not histogram.exemplars:
        return [*counted]
    known = {
        bucket: Exemplar({"trace_id": one.trace}, one.value, one.at) for bucket, one in histogram.exemplars.items()
    }
    return [(*pair, known[number]) if number in known else pair for number, pair in enumerate(counted)]
