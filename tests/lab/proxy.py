"""The proxy under test, as its users run it: `python -m regproxy serve` in a process of its own."""

import http.client
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.policies import REPOSITORY
from tests.lab.processes import Processes, anonymous_bytes, clean_environment, family, free_port, until

QUIET_SECONDS = 0.3
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def regproxy(*arguments: str) -> list[str]:
    """The command line of regproxy with these arguments."""
    return [sys.executable, "-m", "regproxy", *arguments]


def regproxy_environment() -> dict[str, str]:
    """An environment in which this working copy is the one that runs, and no setting comes from outside."""
    return clean_environment(PYTHONPATH=str(REPOSITORY), PYTHONUNBUFFERED="1")


class Proxy:
    """One proxy with its own ports, cache and CA; a restart keeps all of them."""

    def __init__(
        self,
        processes: Processes,
        directory: Path,
        policy: str,
        *,
        permit: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = free_port()
        self.metrics_port = free_port()
        self.policy_file = directory / "test.policy"
        self.policy_file.write_text(policy)
        self.cache = directory / "cache"
        self.ca_file = directory / "proxy-ca.pem"
        self.bundle = directory / "trust.pem"
        self._seen = 0
        command = regproxy("serve", "--policy", str(self.policy_file))
        command += ["--listen", f"127.0.0.1:{self.port}", "--metrics", f"127.0.0.1:{self.metrics_port}"]
        command += ["--cache-dir", str(self.cache), "--ca-dir", str(directory / "ca")]
        for name in permit:
            command += ["--ca-permit", name]
        self.process = processes.add("regproxy", [*command, *arguments], regproxy_environment())

    @property
    def url(self) -> str:
        """What a client's HTTPS_PROXY is set to."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Proxy":
        """Start, wait for readiness, and write down the CA for clients: alone, and with the system's roots."""
        self.process.start()
        self.process.wait_ready(self.ready)
        self.ca_file.write_bytes(self.get("/ca.crt")[1])
        self.bundle.write_bytes(SYSTEM_BUNDLE.read_bytes() + b"\n" + self.ca_file.read_bytes())
        return self

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return self.get("/readyz", self.metrics_port)[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer would."""
        self.process.kill()

    def core(self) -> int | None:
        """The core's process, where it is one of its own and there now."""
        return next((pid for pid, command in self._children() if "--handed" in command), None)

    def edges(self) -> list[int]:
        """The edges' processes that are there now."""
        return [pid for pid, command in self._children() if "regproxy.app.edge" in command]

    def _children(self) -> list[tuple[int, str]]:
        return [(pid, _command(pid)) for pid in family(self.process.pid)[1:]]

    def stop(self, seconds: float = 20.0) -> int | None:
        """SIGTERM and wait; the exit code."""
        return self.process.stop(signal.SIGTERM, seconds)

    def get(self, path: str, port: int | None = None, accept: str = "*/*") -> tuple[int, bytes]:
        """Status and body of an origin-form GET on the proxy port, or on another one."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request("GET", path, headers={"Accept": accept})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels, as Prometheus writes it."""
        text = self.get("/metrics", self.metrics_port)[1].decode()
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def log(self) -> list[dict[str, object]]:
        """Every JSON line that it has written to its end."""
        whole, _, _ = self.process.output().rpartition("\n")
        lines = (line for line in whole.splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]

    def forget(self) -> None:
        """Count access-log lines from here; those of edges are written a moment after their answers."""
        end = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < end:
            if len(self._lines()) != self._seen:
                self._seen = len(self._lines())
                end = time.monotonic() + QUIET_SECONDS
            time.sleep(QUIET_SECONDS / 10)

    def access(self, at_least: int = 0) -> list[dict[str, object]]:
        """Access-log lines since `forget`; waits for `at_least` of them, a line is written after its answer."""
        until(lambda: len(self._lines()) >= self._seen + at_least, 20, f"{at_least} access-log lines")
        return self._lines()[self._seen :]

    def _lines(self) -> list[dict[str, object]]:
        return [line for line in self.log() if "outcome" in line]

    def memory(self) -> int:
        """Anonymous memory in bytes (RssAnon), of the process and its children."""
        return anonymous_bytes(self.process.pid)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
