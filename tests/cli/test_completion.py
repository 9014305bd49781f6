"""`regproxy completion`, as shells use it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from regproxy.cli import main
from regproxy.cli.completion import SHELLS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_its_script(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_REGPROXY_COMPLETE={shell}_complete" in done.output


def test_another_shell_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("regproxy po", ["policy"]),
        ("regproxy cache ex", ["export"]),
        ("regproxy completion f", ["fish"]),
        ("regproxy serve --cache-d", ["--cache-dir"]),
    ],
)
def test_bash_is_offered_what_can_follow(typed: str, offered: list[str], tmp_path: Path) -> None:
    program = tmp_path / "regproxy"
    program.write_text(f"#!{sys.executable}\nfrom regproxy.cli import main\n\nmain()\n")
    program.chmod(0o755)
    words = typed.split()
    script = (
        f'eval "$(regproxy completion bash)"; COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1};'
        '_regproxy_completion regproxy; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.splitlines(), done.stderr) == (offered, "")
