"""A machine of its own: a real systemd, with namespaces and a root file system that keep it from this one.

The root is an overlay over `/`: whatever is changed lies in one folder and can be compared. The network is this
machine's, so that what listens on loopback here is reached from there.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.lab.processes import Processes, clean_environment, family, until

_BOOT_SECONDS = 30.0
_RUN_SECONDS = 120.0
SYSTEMD = "/lib/systemd/systemd"
_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# What lies on the disk itself: daemons lay overlays of their own there, and write what nobody set up.
_STATE = ("var/lib/docker", "var/lib/containerd", "var/lib/containers", "var/log", "var/lib/systemd", "var/cache")
# Units that a machine is booted with; what they would do is done to this kernel.
_BOOTED_WITH = ("usr/lib/systemd/system", "etc/systemd/system")
_DOCKER = {"bridge": "none", "iptables": False, "ip6tables": False, "ip-forward": False, "ip-masq": False}
_BOOT = """
set -eu
cd "$1"
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
mount -t proc proc root/proc
mount --rbind /sys root/sys
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
shift
for place in "$@"; do mount --bind "state/$place" "root/$place"; done
for place in $HIDDEN; do mkdir -p "root$place"; mount --rbind "$place" "root$place"; done
cd root
pivot_root . mnt
umount -l /mnt
exec env -i container=lab PATH="$PATH" /lib/systemd/systemd --system --unit=sysinit.target --show-status=no
"""


def _hidden() -> list[Path]:
    """Where this working copy and its Python lie, as far as the machine has a folder of its own there."""
    places = (Path(__file__).parents[2], Path(sys.prefix), Path(sys.base_prefix))
    return sorted({place for place in places if place.is_relative_to("/tmp") or place.is_relative_to("/run")})


class Machine:
    """One such machine; `run` is what an administrator does on it."""

    def __init__(self, processes: Processes, directory: Path) -> None:
        self.upper = directory / "upper"
        for name in ("upper", "work", "root", *(f"state/{place}" for place in _STATE)):
            (directory / name).mkdir(parents=True)
        for place in _STATE:
            (self.upper / place).mkdir(parents=True)
        for place in _BOOTED_WITH:
            wanted = self.upper / place / "sysinit.target.wants"
            wanted.mkdir(parents=True)
            os.setxattr(wanted, "trusted.overlay.opaque", b"y")
        settings = self.upper / "etc/docker/daemon.json"
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps(_DOCKER))
        command = ["unshare", "-m", "-p", "-f", "-i", "-u", "-C", "--kill-child", "sh", "-c", _BOOT, "boot"]
        environment = clean_environment(PATH=_SYSTEM_PATH, HIDDEN=" ".join(map(str, _hidden())))
        self._process = processes.add("machine", [*command, str(directory), *_STATE], environment)
        self._init = 0

    def start(self) -> "Machine":
        """Boot it."""
        self._process.start()
        until(lambda: len(family(self._process.pid)) > 1, _BOOT_SECONDS, "the machine's first process")
        self._init = family(self._process.pid)[1]
        self._process.wait_ready(self._booted, _BOOT_SECONDS)
        self.run("systemctl", "start", "systemd-journald").check_returncode()
        return self

    def stop(self) -> None:
        """End it, with all that runs on it, as if the power went."""
        self._process.kill()

    def _booted(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def run(self, *command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root."""
        entered = ["nsenter", "-t", str(self._init), "-m", "-p", "-i", "-u", "-C", "-w", "env", "-i"]
        given = [f"{name}={value}" for name, value in ({"PATH": _SYSTEM_PATH, "HOME": "/root"} | environment).items()]
        return subprocess.run(
            [*entered, *given, *command],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_SECONDS,
        )

    def changes(self) -> dict[str, bytes]:
        """Every file that is not as on this machine, by its path, with its content; gone ones, too, without."""
        return {
            str(path.relative_to(self.upper)): path.read_bytes() if path.is_file() else b""
            for path in sorted(self.upper.rglob("*"))
            if not path.is_dir() and not str(path.relative_to(self.upper)).startswith(_STATE)
        }

    def main_pid(self, unit: str) -> int:
        """The main process of a unit, as the machine numbers it; 0 where it does not run."""
        return int(self.run("systemctl", "show", "--property", "MainPID", "--value", unit).stdout)

    def environment_of(self, unit: str) -> dict[str, str]:
        """The environment that a unit's main process runs with."""
        given = self.run("cat", f"/proc/{self.main_pid(unit)}/environ").stdout.split("\0")
        return dict(pair.split("=", 1) for pair in given if "=" in pair)

    def write(self, path: str, text: str) -> None:
        """Write a file there."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "write", path, stdin=text).check_returncode()
