"""The same targets, led by which lines of ours an input reaches."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS
from tests.lab.peers import lack

SECONDS = 60
MAX_LENGTH = 4096


def _run(name: str, *flags: str) -> subprocess.CompletedProcess[str]:
    if find_spec("atheris") is None:
        lack("atheris has no wheel for this Python or machine: take CPython 3.11 to 3.13 on x86-64")
    command = [sys.executable, "-m", "tests.fuzz.guided", name, f"-max_len={MAX_LENGTH}", *flags]
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(
        command, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=SECONDS + 120
    )


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_that_reaches_new_lines_breaks_a_target(name: str, seed: int, soak: float) -> None:
    ran = _run(name, f"-max_total_time={max(5, int(SECONDS * soak))}", f"-seed={seed}")
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
