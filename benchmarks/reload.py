"""How long the serving loop is held up while a policy of a thousand tiers is reloaded beside it.

Lag is counted twice: by the clock, and by the processor time that this process took meanwhile. The second is what the
reload itself costs the loop, also on a machine where others take the processor away.

Run `PYTHONPATH=. .venv/bin/python benchmarks/reload.py [TIERS] [RELOADS]`. Prints, at rest and during reloads, the lag
of a loop that wants to wake every millisecond, and how many round trips over a socket pair it makes in a second.
"""

import asyncio
import gc
import socket
import sys
import tempfile
import time
from pathlib import Path

from regproxy.model.event import Event, PolicyReloaded
from regproxy.reload.active import Active
from regproxy.reload.build import Steps
from regproxy.reload.last_good import keep
from regproxy.reload.reading import Watched, read
from regproxy.reload.reloader import Reloader
from regproxy.settings.choose import load_file

STEP = 0.001
REST_SECONDS = 3.0


def policy_text(tiers: int, version: int) -> str:
    """A policy with patterns of every sort in each tier."""
    lines = [
        f'tier t{number} {{ match kind is manifest and repo like "team{number}/**" and tag matches '
        f"'v{number}\\.\\d+(-[a-z]+)?'; fresh {version % 50 + 1}m; stale if-error 7d on [error, 429, 5xx]; }}\n"
        for number in range(tiers)
    ]
    return 'policy 1;\ninclude known "registries";\n' + "".join(lines) + "tier rest { match any; pass; }\n"


class Loop:
    """What a loop that serves notices: its lag, and its round trips."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.held: list[float] = []
        self.trips = 0

    async def wake(self) -> None:
        """Wake every millisecond and note how late."""
        while True:
            due, used = time.perf_counter() + STEP, time.process_time() + STEP
            await asyncio.sleep(STEP)
            self.lags.append(time.perf_counter() - due)
            self.held.append(max(0.0, time.process_time() - used))

    async def talk(self) -> None:
        """Send and receive over and over, as a proxy does."""
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        for each in (near, far):
            each.setblocking(False)
        with near, far:
            while True:
                receiving = loop.create_task(loop.sock_recv(far, 4096))
                await asyncio.sleep(0)
                await loop.sock_sendall(near, b"x" * 4096)
                await receiving
                self.trips += 1

    def line(self, name: str, seconds: float) -> str:
        """One line of the table, and a fresh start."""
        columns = [f"{value * 1000:7.2f}" for each in (self.lags, self.held) for value in _percentiles(each)]
        text = f"{name:<22} {' '.join(columns)} {self.trips / seconds:8.0f}"
        self.lags, self.held, self.trips = [], [], 0
        return text


def _percentiles(values: list[float]) -> list[float]:
    ordered = sorted(values)
    return [*(ordered[len(ordered) * share // 1000] for share in (500, 990, 999)), ordered[-1]]


async def run(directory: Path, tiers: int, reloads: int, *, busy: bool) -> None:
    """Measure one sort of loop."""
    path = directory / "bench.policy"
    path.write_text(policy_text(tiers, 0))
    reading = read(lambda: load_file(path), Watched(frozenset({str(path)})))
    if reading.loaded.policy is None:
        raise ValueError(f"the benchmark's policy does not load: {reading.loaded.diagnostics}")
    told: list[Event] = []
    steps = Steps(
        main=str(path),
        load=lambda: load_file(path),
        check=lambda _: (),
        follow=lambda _policy, _files: None,
        keep=lambda loaded: keep(directory / "last-good", loaded),
        report=told.append,
    )
    reloader = Reloader(Active(reading.loaded.policy), reading, steps)
    loop = Loop()
    name = "busy" if busy else "idle"
    tasks = [asyncio.create_task(loop.wake()), *([asyncio.create_task(loop.talk())] if busy else [])]
    await asyncio.sleep(REST_SECONDS)
    print(loop.line(f"{name} loop, at rest", REST_SECONDS))
    began = time.perf_counter()
    for version in range(1, reloads + 1):
        path.write_text(policy_text(tiers, version))
        await reloader.reload("api")
    print(loop.line(f"{name} loop, reloading", time.perf_counter() - began))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    took = [event.milliseconds for event in told if isinstance(event, PolicyReloaded) and event.result == "success"]
    if len(took) != reloads:
        raise ValueError(f"not every reload succeeded: {told}")
    print(f"{'':<22} {len(took)} reloads of {tiers} tiers, {sum(took) / len(took):.0f} ms each")


def main() -> None:
    """Run both."""
    tiers, reloads = (int(text) for text in [*sys.argv[1:], *("1000", "5")[len(sys.argv) - 1 :]])
    percentiles = " ".join(f"{name:>7}" for name in ("p50", "p99", "p99.9", "max"))
    print(f"{'milliseconds of lag':<22} {'by the clock':<31} by processor time")
    print(f"{'':<22} {percentiles} {percentiles}  trips/s")
    # As `serve` does.
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory() as name:
        for busy in (False, True):
            asyncio.run(run(Path(name), tiers, reloads, busy=busy))


if __name__ == "__main__":
    main()
