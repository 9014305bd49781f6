"""Real processes under test: started with a captured log, awaited with a deadline, always ended."""

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType

_POLL = 0.02
_STOP = 10.0
_FIRST_PORT, _PORTS = 20_000, 12_000
# Processes that run tests side by side (pytest-xdist names them gw0, gw1 …) have each a share of the ports.
_SHARE = _PORTS // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_FIRST_OF_SHARE = _FIRST_PORT + _SHARE * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
# Where this run begins is chance: another one may be on the machine.
_TURNS = count(secrets.randbelow(_SHARE))


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without any proxy or trust setting, plus `changes`."""
    names = {"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ssl_cert_file", "ssl_cert_dir"}
    kept = {k: v for k, v in os.environ.items() if k.lower() not in names and not k.startswith("REGPROXY_")}
    return kept | changes


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until the condition holds; AssertionError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(_POLL)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@dataclass(slots=True)
class Process:
    """One running program with its output in a file."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    _popen: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it in a session of its own; output is appended to the log."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._popen.pid

    def wait_ready(self, check: Callable[[], object], seconds: float = 60.0) -> None:
        """Poll `check` until it holds; the log's end is part of the error if it does not, or if the process ends."""
        end = time.monotonic() + seconds
        while not check():
            if not self.running or time.monotonic() > end:
                state = "is not ready" if self.running else f"ended with {self._popen and self._popen.returncode}"
                raise AssertionError(f"{self.name} {state}:\n{self.tail()}")
            time.sleep(_POLL)

    def wait(self, seconds: float = _STOP) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._popen.wait(seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = _STOP) -> int | None:
        """Send a signal and wait; after `seconds` the whole session is killed. None if it was not running."""
        if not self.running:
            return None
        os.kill(self.pid, number)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int | None:
        """SIGKILL for it and all it started in its session."""
        if not self.running:
            return None
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()

    def output(self) -> str:
        """Everything it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 25) -> str:
        """The last lines of its output."""
        return "\n".join(self.output().splitlines()[-lines:])


class Processes:
    """The owner of a test's processes: all of them are ended when it is left, the newest first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._started: list[Process] = []

    def add(self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
        """A process that this owner will end; not started yet."""
        log = self.directory / f"{len(self._started):02d}-{name}.log"
        process = Process(name, arguments, log, clean_environment() if environment is None else environment)
        self._started.append(process)
        return process

    def tails(self) -> list[tuple[str, str]]:
        """Name and last lines of every process."""
        return [(process.name, process.tail()) for process in self._started]

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in reversed(self._started):
            process.stop()


def family(pid: int) -> list[int]:
    """The process and all that descend from it, itself first."""
    pids, at = [pid], 0
    while at < len(pids):
        for children in Path(f"/proc/{pids[at]}/task").glob("*/children"):
            with suppress(OSError):  # a thread that ended meanwhile
                pids += [int(child) for child in children.read_text().split()]
        at += 1
    return pids


def anonymous_bytes(pid: int) -> int:
    """RssAnon of a process and its descendants: memory that is neither cache nor program."""
    return sum(_anonymous(member) for member in family(pid))


def _anonymous(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no RssAnon for {pid}")


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on, below the range that outgoing connections are given.

    None is given twice: whoever was given one may bind it later, or want nobody there.
    """
    while True:
        port = _FIRST_OF_SHARE + next(_TURNS) % _SHARE
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
