"""The parent: it holds the listening sockets, starts core and edges, restarts what dies and forwards signals.

It runs in an interpreter of its own, which replaced the one that checked the policy and bound the sockets: no event
loop, no thread, no secret and no foreign library is in it, and whatever it starts begins afresh as well.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

from regproxy.app.handed import Handed, interpreter, without_secrets
from regproxy.telemetry.access_log import AccessLog
from regproxy.telemetry.formats import LogFormat
from regproxy.wire.rendezvous import listen

# Deaths in a row that are not waited after grow apart, up to this.
FIRST_DELAY = 0.1
MAX_DELAY = 8.0
# A core that came up is waited for by clients, which are patient for five seconds.
MAX_DELAY_OF_CORE = 0.2
# Who lived so long has not failed to start.
SETTLED_SECONDS = 60.0
# What children may take beyond the drain before they are killed.
GRACE_SECONDS = 6.0
_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: `core` is the command line it was started with, `proxy`, `secured` and `metrics` are bound sockets.

    `drain` in seconds.
    """

    workers: int
    drain: float
    core: tuple[str, ...]
    proxy: tuple[int, ...]
    secured: tuple[int, ...]
    metrics: tuple[int, ...]
    log_format: LogFormat = "json"

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All sockets."""
        return (*self.proxy, *self.secured, *self.metrics)


def become(plan: Plan) -> NoReturn:
    """Replace this process by the parent; its pid, its output and the plan's descriptors stay."""
    for fd in plan.descriptors:
        os.set_inheritable(fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [*interpreter("regproxy.app.supervisor"), json.dumps(asdict(plan))]
    os.execv(command[0], command)  # noqa: S606 -- this very interpreter


@dataclass(slots=True)
class _Child:
    """A process that should run, and does or will again at `due` (monotonic)."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    ready: int | None = None
    started_at: float = 0.0
    deaths: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Owns the children; runs until a signal ends it or the first core fails to start."""

    plan: Plan
    log: AccessLog
    children: list[_Child] = field(default_factory=list)
    stopping: bool = False
    was_ready: bool = False
    failure: int | None = None

    def run(self) -> int:
        """Start all, wait, and return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            listening, wire_file = listen()
        except OSError as error:
            sys.exit(f"error: core and edges meet through a socket made in a temporary directory: {error}; set TMPDIR")
        self.children = [_Child("core"), *(_Child(f"edge {number}") for number in range(1, self.plan.workers + 1))]
        while not self.stopping:
            for child in self.children:
                if child.process is None and child.due <= time.monotonic():
                    self._start(child, listening.fileno() if child.name == "core" else wire_file)
            self._wait(min((child.due for child in self.children if child.process is None), default=None))
        for fd in self.plan.descriptors:
            os.close(fd)
        deadline = time.monotonic() + self.plan.drain + GRACE_SECONDS
        while any(child.process is not None for child in self.children):
            if time.monotonic() >= deadline:
                self._signal(signal.SIGKILL)
            self._wait(max(deadline, time.monotonic() + FIRST_DELAY))
        return self.failure or 0

    # Children.

    def _start(self, child: _Child, wire: int) -> None:
        plan, parent = self.plan, os.getpid()
        if child.name == "core":
            child.ready, ready = os.pipe()
            handed = Handed(parent, wire, plan.proxy, plan.metrics, ready, secured=plan.secured)
            # A policy file that was broken meanwhile must not keep the next core from serving.
            resume = ["--resume"] if self.was_ready else []
            command = [*interpreter("regproxy"), *plan.core, *resume, "--handed", handed.text()]
        else:
            handed = Handed(parent, wire, plan.proxy, drain=plan.drain, secured=plan.secured)
            command = [*interpreter("regproxy.app.edge"), handed.text()]
        environ = os.environ if child.name == "core" else without_secrets(os.environ)
        child.started_at = time.monotonic()
        try:
            child.process = subprocess.Popen(  # noqa: S603 -- this very interpreter
                command, stdin=subprocess.DEVNULL, pass_fds=handed.descriptors, env=environ
            )
        except OSError as error:
            child.due = child.started_at + MAX_DELAY
            self.log.line({"event": "process", "message": f"the {child.name} cannot be started: {error}"})
        finally:
            if handed.ready is not None:
                os.close(handed.ready)
        if child.process is None:
            self._hear(child)

    def _reap(self) -> None:
        for child in self.children:
            code = child.process.poll() if child.process is not None else None
            if child.process is None or code is None:
                continue
            pid, child.process = child.process.pid, None
            came_up = self._hear(child)
            if not self.stopping:
                self._died(child, pid, code, came_up=came_up)

    def _hear(self, child: _Child) -> bool:
        """Whether one that has ended, or never began, had said that it was ready."""
        if child.ready is None:
            return False
        came_up = os.read(child.ready, 1) == b"1"
        self.was_ready = self.was_ready or came_up
        os.close(child.ready)
        child.ready = None
        return came_up

    def _died(self, child: _Child, pid: int, code: int, *, came_up: bool) -> None:
        """Start it again, soon; a core that never came up has said why, and ends it all."""
        if child.name == "core" and not self.was_ready and code > 0:
            self.failure = code
            self._stop()
            return
        now = time.monotonic()
        child.deaths = 1 if now - child.started_at >= SETTLED_SECONDS else child.deaths + 1
        most = MAX_DELAY_OF_CORE if came_up else MAX_DELAY
        delay = 0.0 if child.deaths == 1 else min(most, FIRST_DELAY * 2.0 ** (child.deaths - 2))
        child.due = now + delay
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        sentence = f"the {child.name} (pid {pid}) ended {how}; it is started again in {delay:g} s"
        self.log.line({"event": "process", "message": sentence})

    # Signals.

    def _wait(self, until: float | None) -> None:
        """Act on one signal, or return when it is `until`."""
        seconds = 3600.0 if until is None else max(0.0, until - time.monotonic())
        got = signal.sigtimedwait(_SIGNALS, seconds)
        match got.si_signo if got is not None else None:
            case signal.SIGTERM | signal.SIGINT:
                self._stop()
            case signal.SIGHUP:
                self._signal(signal.SIGHUP, "core")
            case _:
                pass
        self._reap()

    def _stop(self) -> None:
        """Let the children drain; told again, they make haste."""
        self.stopping = True
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals, only: str = "") -> None:
        for child in self.children:
            if child.process is not None and only in ("", child.name):
                child.process.send_signal(number)


def main(arguments: Sequence[str]) -> int:
    """Run the plan that is the only argument."""
    given: dict[str, Any] = json.loads(arguments[0])
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    plan = Plan(**{**given, **lists})
    return Supervisor(plan, AccessLog(sys.stdout, plan.log_format)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
