"""What this machine is, and what processes of it have used."""

import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

import regproxy
from tests.lab.peers import search_path
from tests.lab.processes import family


def cpu_seconds(pid: int) -> float:
    """What the threads of a process and of its descendants have spent on a CPU, as the scheduler counts it."""
    spent = 0
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").glob("*/schedstat"):
            spent += int(task.read_text().split()[0])
    return spent / 1e9


def nginx_version() -> str:
    """The version of nginx, as it says."""
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True, env={"PATH": search_path()})  # noqa: S607
    return said.stderr.strip().rpartition("/")[2]


def description() -> str:
    """Processor, kernel, and the versions that matter, in one line."""
    processor = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return ", ".join(
        [
            f"{os.cpu_count()} x {processor[1] if processor else platform.machine()}",
            f"Linux {platform.release()}",
            f"nginx {nginx_version()}",
            f"regproxy {regproxy.__version__}",
            f"Python {platform.python_version()}",
            f"Tornado {version('tornado')}",
            ssl.OPENSSL_VERSION.rsplit(" ", 3)[0],
        ]
    )
