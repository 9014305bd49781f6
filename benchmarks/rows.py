"""The measurements: each gives, for one round, the figures of every contender; rows are ratios of figures."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load import ENDLESS, Generator, Job
from benchmarks.machine import cpu_seconds
from benchmarks.servers import MANIFEST, MEDIA_TYPE, Contender, Origin
from tests.lab.processes import anonymous_bytes

Figures = dict[str, float]
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs: the generator, the origin, the token, and how long timed loads run."""

    generator: Generator
    origin: Origin
    token: str
    seconds: float

    def manifest(self, connections: int, *, fresh: bool = False, seconds: float | None = None) -> Job:
        """Requests for the warm manifest, as a client with a token makes them."""
        fields = (f"Accept: {MEDIA_TYPE}", f"Authorization: Bearer {self.token}")
        wanted = self.seconds if seconds is None else seconds
        return Job(MANIFEST, connections, ENDLESS, wanted, fresh, fields=fields)

    def layer(self, connections: int, *, rate: int = 0) -> Job:
        """The whole layer, once for each connection."""
        return Job(self.origin.layer, connections, rate=rate, fields=(f"Authorization: Bearer {self.token}",))

    def warm(self, contender: Contender) -> None:
        """Bring manifest and layer into its cache."""
        one = Job(MANIFEST, fields=self.manifest(1).fields)
        for job in (one, self.layer(1)):
            self.generator.run(job, contender.port, connect=contender.connect)


def warm_layer(bench: Bench, contender: Contender) -> Figures:
    """Eight clients take the warm layer."""
    return _throughput(bench, contender, bench.layer(8))


def warm_manifest(bench: Bench, contender: Contender) -> Figures:
    """Sixteen connections ask for the warm manifest again and again."""
    return _rate(bench, contender, bench.manifest(16))


def new_connections(bench: Bench, contender: Contender) -> Figures:
    """Eight clients ask for the warm manifest, with a new connection every time."""
    return _rate(bench, contender, bench.manifest(8, fresh=True))


def fairness(bench: Bench, contender: Contender) -> Figures:
    """The warm manifest on new connections, one after the other, while eight clients take layers without end."""
    layers = Job(bench.origin.layer, 8, ENDLESS, bench.seconds + 1, fields=bench.layer(8).fields)
    running = bench.generator.start(layers, contender.port, connect=contender.connect)
    time.sleep(0.5)
    probe = bench.generator.run(bench.manifest(1, fresh=True), contender.port, connect=contender.connect)
    beside = bench.generator.finish(running)
    return {"p50 ms": probe.p50_ms, "p99 ms": probe.p99_ms, "MB/s beside": beside.bytes / beside.seconds / 1e6}


def cold_layer(bench: Bench, contender: Contender) -> Figures:
    """One client takes a layer that is not there."""
    return _cold(bench, contender, 1)


def cold_layer_8(bench: Bench, contender: Contender) -> Figures:
    """Eight clients take the same layer at once, which is not there."""
    return _cold(bench, contender, 8)


def memory(bench: Bench, contender: Contender) -> Figures:
    """Idle, and above that while a client takes a cold layer at a quarter of a layer each second."""
    contender.restart()
    idle = anonymous_bytes(contender.pid)
    job = bench.layer(1, rate=bench.origin.size // 4)
    running = bench.generator.start(job, contender.port, connect=contender.connect)
    peak = idle
    while running.poll() is None:
        peak = max(peak, anonymous_bytes(contender.pid))
        time.sleep(0.05)
    bench.generator.finish(running)
    return {"idle MiB": idle / MIB, "growth MiB": (peak - idle) / MIB}


def _throughput(bench: Bench, contender: Contender, job: Job) -> Figures:
    before = cpu_seconds(contender.pid)
    result = bench.generator.run(job, contender.port, connect=contender.connect)
    spent = cpu_seconds(contender.pid) - before
    return {"MB/s": result.bytes / result.seconds / 1e6, "CPU s/GB": spent / result.bytes * 1e9}


def _rate(bench: Bench, contender: Contender, job: Job) -> Figures:
    before = cpu_seconds(contender.pid)
    result = bench.generator.run(job, contender.port, connect=contender.connect)
    spent = cpu_seconds(contender.pid) - before
    return {
        "requests/s": result.requests / result.seconds,
        "CPU us/request": spent / result.requests * 1e6,
        "p99 ms": result.p99_ms,
    }


def _cold(bench: Bench, contender: Contender, clients: int) -> Figures:
    contender.restart()
    bench.generator.run(Job(MANIFEST, fields=bench.manifest(1).fields), contender.port, connect=contender.connect)
    asked = bench.origin.layers_sent()
    figures = _throughput(bench, contender, bench.layer(clients))
    return figures | {"upstream transfers": float(bench.origin.layers_sent() - asked)}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is measured, of whom, and whether caches must be warm before."""

    title: str
    run: Callable[[Bench, Contender], Figures]
    contenders: tuple[str, ...]
    warm: bool = True


ALL = ("nginx", "seed", "regproxy")
MEASUREMENTS = (
    Measurement("warm layer, 8 clients", warm_layer, ALL),
    Measurement("warm manifest, 16 connections", warm_manifest, ALL),
    Measurement("warm manifest, new connections", new_connections, ALL),
    Measurement("warm manifest while 8 layers stream", fairness, ALL),
    Measurement("cold layer, 1 client", cold_layer, ALL, warm=False),
    Measurement("cold layer, 8 clients", cold_layer_8, ALL, warm=False),
    Measurement("memory, cold layer to a slow client", memory, ("regproxy",), warm=False),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A claim: regproxy's figure in relation to another's, or alone; `more`: whether more is better."""

    path: str
    measurement: str
    figure: str
    against: str
    at_least: float
    aim: float
    more: bool
    unit: str = "x"

    def values(self, rounds: Sequence[Mapping[str, Figures]]) -> list[float]:
        """The figure of every round; ratios are taken within a round."""
        ours = [figures["regproxy"][self.figure] for figures in rounds]
        if not self.against:
            return ours
        theirs = [figures[self.against][self.figure] for figures in rounds]
        return [one / other if other else float("inf") for one, other in zip(ours, theirs, strict=True)]

    def holds(self, values: Sequence[float]) -> bool:
        """Whether the median keeps what the row promises."""
        median = statistics.median(values)
        return median >= self.at_least if self.more else median <= self.at_least


WARM, KEPT, FRESH, FAIR, COLD, COLD_8, MEMORY = (measurement.title for measurement in MEASUREMENTS)
ROWS = (
    Row("warm layer, 8 clients: throughput vs the seed's topology", WARM, "MB/s", "seed", 1.7, 2.2, more=True),
    Row("… throughput vs nginx", WARM, "MB/s", "nginx", 1.15, 1.6, more=True),
    Row("… CPU per GB vs nginx", WARM, "CPU s/GB", "nginx", 0.90, 0.65, more=False),
    Row("warm manifest, keep-alive: requests/s vs nginx", KEPT, "requests/s", "nginx", 0.5, 0.9, more=True),
    Row("a new connection each: CPU vs the seed's topology", FRESH, "CPU us/request", "seed", 1.3, 1.0, more=False),
    Row("manifest p99 while 8 layers stream vs nginx", FAIR, "p99 ms", "nginx", 0.25, 0.05, more=False),
    Row("cold layer, 1 client, verified: throughput vs nginx", COLD, "MB/s", "nginx", 0.8, 1.0, more=True),
    Row("cold layer, 8 clients: throughput vs nginx", COLD_8, "MB/s", "nginx", 1.2, 1.8, more=True),
    Row("… upstream transfers", COLD_8, "upstream transfers", "", 1.0, 1.0, more=False, unit=""),
    Row("RssAnon growth, a cold layer to a slow client", MEMORY, "growth MiB", "", 40.0, 20.0, more=False, unit=" MiB"),
    Row("RssAnon idle", MEMORY, "idle MiB", "", 160.0, 120.0, more=False, unit=" MiB"),
)
