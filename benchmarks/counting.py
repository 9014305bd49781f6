"""What one answered request costs to count, and what a scrape costs at twelve registries: CPU, whoever else wants it.

Run it with `python -m benchmarks.counting`; it prints the median of several rounds. With `--of MICROSECONDS`, the time
that one warm manifest takes (a second divided by the requests of `benchmarks --only manifest`), it prints the share.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from regproxy.model.event import Event, ExchangeFinished, Labels, Outcome
from regproxy.telemetry.exposition import exposition
from regproxy.telemetry.labels import KIND
from regproxy.telemetry.metrics import Metrics
from regproxy.telemetry.pulls import Pulls
from regproxy.telemetry.traces import Traces

ROUNDS = 15
EVENTS = 20_000
WARM = ExchangeFinished(
    "10.0.0.1",
    "registry-1.docker.io",
    "GET",
    200,
    2048,
    0.1,
    Labels(Outcome.HIT, "hub-0", "manifest", "library/redis", "7.2", "tags"),
    first_byte=0.1,
)


def microseconds(observe: Callable[[Event], None]) -> float:
    """The median time of one event."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(EVENTS):
            observe(WARM)
        rounds.append((time.thread_time() - began) / EVENTS * 1e6)
    return statistics.median(rounds)


def busy() -> Metrics:
    """Metrics of twelve registries that have answered everything in every way."""
    metrics = Metrics([f"hub-{n}" for n in range(11)], [f"tier-{n}" for n in range(10)], ("",) * 4, time.time)
    for registry in (*(f"hub-{n}" for n in range(11)), "stranger"):
        for kind in KIND.values:
            for outcome in Outcome:
                metrics.observe(
                    ExchangeFinished("c", "a", "GET", 200, 1, 1.0, Labels(outcome, registry, kind), first_byte=1.0)
                )
    return metrics


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--of", type=float, metavar="MICROSECONDS", help="the time of one warm manifest")
    whole = arguments.parse_args().of
    metrics = busy()
    pulls, traces = Pulls(time.monotonic), Traces(time.time)
    for name, observe in (("metrics", metrics.observe), ("pulls", pulls.observe), ("traces", traces.observe)):
        spent = microseconds(observe)
        share = f", {spent / whole:.1%} of a warm manifest" if whole else ""
        print(f"{name}: {spent:.2f} us for one answered request{share}")
    for accept in ("text/plain", "application/openmetrics-text;version=1.0.0"):
        times = []
        for _ in range(ROUNDS):
            began = time.thread_time()
            page, _ = exposition(metrics.sampled(), accept)
            times.append((time.thread_time() - began) * 1e3)
        print(f"scrape as {accept}: {statistics.median(times):.1f} ms for {len(page.splitlines())} lines")


if __name__ == "__main__":
    main()
