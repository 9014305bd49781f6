"""What the parent hands to the processes that it starts: descriptors, on the command line by number."""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Of an environment, what an interpreter, its libraries and the system's want.
_PLAIN = frozenset({"HOME", "LANG", "LANGUAGE", "PATH", "TMPDIR", "TZ"})
_PLAIN_PREFIXES = ("COVERAGE_", "LC_", "LD_", "MALLOC_", "PYTHON")


@dataclass(frozen=True, slots=True)
class Handed:
    """Descriptors: listening sockets, `wire` to meet the other side, `ready` to write a byte to; `drain` in seconds."""

    parent: int
    wire: int
    proxy: tuple[int, ...]
    metrics: tuple[int, ...] = ()
    ready: int | None = None
    drain: float = 0.0
    secured: tuple[int, ...] = ()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (self.wire, *self.proxy, *self.secured, *self.metrics, *(() if self.ready is None else (self.ready,)))

    def text(self) -> str:
        """As one argument of a command line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> "Handed":
        """The reverse of `text`; raises ValueError."""
        try:
            given = json.loads(text)
            return cls(**{**given, **{name: tuple(given[name]) for name in ("proxy", "secured", "metrics")}})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not what a parent hands out: {error}") from error


def end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, however that is (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")


def say_ready(handed: Handed) -> None:
    """Tell the parent, once, that from here on an end is no failed start."""
    if handed.ready is not None:
        os.write(handed.ready, b"1")
        os.close(handed.ready)


def without_secrets(environ: Mapping[str, str]) -> Mapping[str, str]:
    """What a process that talks to clients is started with: nothing in which a credential of the policy may lie."""
    return {name: value for name, value in environ.items() if name in _PLAIN or name.startswith(_PLAIN_PREFIXES)}


def interpreter(module: str) -> list[str]:
    """The command that runs a module of ours as this process was: with the working directory on the path only if so."""
    safe = [] if str(Path.cwd()) in sys.path else ["-P"]
    return [sys.executable, *safe, "-m", module]
