"""The load generator: compiled from load.c once for each run, and what it reports."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "load.c"
MAX_SECONDS = 180.0
ENDLESS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the generator: connections at once, requests of each, and when to stop whatever was done."""

    target: str
    connections: int = 1
    requests: int = 1
    seconds: float = 0.0
    fresh: bool = False
    rate: int = 0
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What the generator saw."""

    requests: int
    bytes: int
    failures: int
    seconds: float
    p50_ms: float
    p99_ms: float


class Generator:
    """The compiled program, aimed at servers that have the same name."""

    def __init__(self, directory: Path, name: str) -> None:
        self._program = directory / "load"
        self._name = name
        command = ["cc", "-O2", "-o", str(self._program), str(SOURCE), "-lssl", "-lcrypto", "-lpthread"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 -- of this file alone
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or str(error)
            raise SystemExit(f"cannot compile {SOURCE.name}: {said}\ninstall gcc and libssl-dev") from error

    def start(self, job: Job, port: int, *, connect: bool) -> subprocess.Popen[str]:
        """Begin; `connect` says that the port is a proxy's."""
        command = [str(self._program), "-p", str(port), "-n", self._name, "-g", job.target]
        command += ["-c", str(job.connections), "-r", str(job.requests), "-s", str(job.seconds), "-b", str(job.rate)]
        for one in job.fields:
            command += ["-a", one]
        command += ["-x"] * connect + ["-f"] * job.fresh
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 -- our own program

    def finish(self, running: subprocess.Popen[str]) -> Result:
        """Wait for the end; raises RuntimeError when a request failed: figures of failures mean nothing."""
        try:
            output, _ = running.communicate(timeout=MAX_SECONDS)
        finally:
            running.kill()
            running.wait()
        result = Result(**json.loads(output))
        if result.failures or not result.requests:
            raise RuntimeError(f"{result.failures} of {result.failures + result.requests} requests failed")
        return result

    def run(self, job: Job, port: int, *, connect: bool) -> Result:
        """Begin, and wait for the end."""
        return self.finish(self.start(job, port, connect=connect))
