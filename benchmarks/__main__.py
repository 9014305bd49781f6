"""Runs the measurements in interleaved rounds and prints the tables: `python -m benchmarks`."""

import argparse
import datetime
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.load import Generator
from benchmarks.machine import description
from benchmarks.rows import MEASUREMENTS, Bench, Measurement
from benchmarks.servers import NAME, Contender, NginxContender, Origin, RegproxyContender, Seed
from tests.lab.certificates import Pki
from tests.lab.processes import Processes

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- a disk's speed is not what is measured
MIB = 1024 * 1024


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="regproxy beside nginx, on loopback.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turn (5)")
    parser.add_argument("--layer", type=int, default=512, metavar="MIB", help="the size of the layer (512)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long timed loads run (3)")
    parser.add_argument("--only", default="", metavar="WORD", help="only measurements with this word in their title")
    parser.add_argument("serve", nargs="*", metavar="-- FLAG", help="more flags of `regproxy serve`")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Measure, and print markdown."""
    options = _arguments(arguments)
    chosen = [one for one in MEASUREMENTS if options.only in one.title]
    if not chosen:
        titles = ", ".join(repr(one.title) for one in MEASUREMENTS)
        raise SystemExit(f"no measurement has {options.only!r} in its title; there are {titles}")
    with (
        tempfile.TemporaryDirectory(prefix="regproxy-bench-", dir=SHARED_MEMORY) as name,
        Processes(Path(name) / "logs") as processes,
    ):
        directory = Path(name)
        pki = Pki(directory / "pki")
        leaf = pki.leaf(NAME)
        origin = Origin(processes, directory / "origin", leaf, options.layer * MIB)
        seed = Seed(processes, directory / "seed", leaf, pki, origin)
        regproxy = RegproxyContender(processes, directory / "regproxy", pki, origin, options.serve)
        contenders = [NginxContender("nginx", seed, seed.caching), NginxContender("seed", seed, seed.relay), regproxy]
        origin.start()
        seed.restart()
        regproxy.restart()
        bench = Bench(Generator(directory, NAME), origin, regproxy.token(), options.seconds)
        results = {one.title: _rounds(bench, one, contenders, options.rounds) for one in chosen}
    now = datetime.datetime.now(datetime.UTC)
    print(f"\n{now:%Y-%m-%d}, {description()}; {options.rounds} rounds, a layer of {options.layer} MiB in memory\n")
    print("\n".join(report.promises(results)), end="\n\n")
    print("\n".join(report.figures(results, chosen)))


def _rounds(
    bench: Bench, measurement: Measurement, contenders: Sequence[Contender], rounds: int
) -> list[dict[str, dict[str, float]]]:
    """All rounds of one measurement; the contenders take turns, and each round another begins."""
    taking_part = [one for one in contenders if one.name in measurement.contenders]
    if measurement.warm:
        for one in taking_part:
            bench.warm(one)
    found = []
    for number in range(rounds):
        print(f"{measurement.title}: round {number + 1} of {rounds}", file=sys.stderr)
        shift = number % len(taking_part)
        order = taking_part[shift:] + taking_part[:shift]
        found.append({one.name: measurement.run(bench, one) for one in order})
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
