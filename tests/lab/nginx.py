"""Real nginx with locations of a test's own: what the seed's configuration means is nginx's word, not ours."""

import http.client
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.lab.peers import search_path
from tests.lab.processes import Processes, answers, clean_environment, free_port

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_CONFIGURATION = """\
daemon off;
master_process off;
pid nginx.pid;
events {{ }}
http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:{port}{protocol};
        keepalive_requests 1000000;
        {locations}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Located:
    """How a location answered: the status, the body, and the lifetime in seconds that its `expires` gave, if any."""

    status: int
    text: str
    lifetime: float | None


def refusal(folder: Path, locations: str) -> str:
    """Why nginx does not take these locations; empty when it does."""
    done = subprocess.run(
        [*_prepare(folder, locations, free_port()), "-t"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=30,
        check=False,
    )
    return "" if done.returncode == 0 else done.stderr


def _prepare(folder: Path, locations: str, port: int, protocol: str = "") -> list[str]:
    """Write the configuration into a folder; the command that runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = " ".join(f"{name}_temp_path {name};" for name in _TEMPORARY)
    (folder / "nginx.conf").write_text(
        _CONFIGURATION.format(port=port, protocol=protocol, locations=locations, temporary=temporary)
    )
    program = shutil.which("nginx", path=search_path()) or "nginx"
    return [program, "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"]


class Nginx:
    """One nginx process in the foreground, in a folder of its own, on a loopback port.

    `protocol` is what follows the port in `listen`: ` ssl http2`, with the certificate among the locations.
    """

    def __init__(self, processes: Processes, folder: Path, locations: str, protocol: str = "") -> None:
        self.port = free_port()
        self._process = processes.add("nginx", _prepare(folder, locations, self.port, protocol))
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def start(self) -> "Nginx":
        """Start it and wait until it answers."""
        self._process.start()
        self._process.wait_ready(lambda: answers(self.port))
        return self

    def stop(self) -> None:
        """Close the connection and end the process."""
        self._connection.close()
        self._process.stop()

    def get(self, target: str) -> Located:
        """What nginx answers to this target, sent as it is, over one kept connection."""
        self._connection.request("GET", target)
        response = self._connection.getresponse()
        text = response.read().decode()
        age = response.getheader("Cache-Control", "").removeprefix("max-age=")
        return Located(response.status, text, float(age) if age.isdigit() else None)
