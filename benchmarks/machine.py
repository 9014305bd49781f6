"""What this machine is, and what processes of it have used."""

import os
import platform
import re
import ssl
import subprocess
from importlib.metadata import version
from pathlib import Path

import regproxy

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    pids, at = [pid], 0
    while at < len(pids):
        for children in Path(f"/proc/{pids[at]}/task").glob("*/children"):
            pids += [int(child) for child in children.read_text().split()]
        at += 1
    return pids


def cpu_seconds(pid: int) -> float:
    """What the threads of a process and of its descendants have spent on a CPU, as the scheduler counts it."""
    spent = 0
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").glob("*/schedstat"):
            spent += int(task.read_text().split()[0])
    return spent / 1e9


def anonymous_bytes(pid: int) -> int:
    """RssAnon of a process and its descendants: memory that is neither cache nor program."""
    return sum(_anonymous(member) for member in family(pid))


def _anonymous(pid: int) -> int:
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def nginx_version() -> str:
    """The version of nginx, as it says."""
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True, env={"PATH": PATH})  # noqa: S607
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
