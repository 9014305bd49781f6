"""Help and completion, which import nothing that they do not need."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from regproxy.cli import main
from regproxy.cli.deferred import Deferred, whole


def groups(path: tuple[str, ...], group: click.Command) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    if isinstance(group, click.Group):
        yield path, group
        for name, one in group.commands.items():
            yield from groups((*path, name), whole(one))


GROUPS = list(groups((), main))


@pytest.mark.parametrize(("path", "group"), GROUPS, ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")
def test_each_line_of_a_help_is_whole_and_stands_for_a_command_of_its_name(
    path: tuple[str, ...], group: click.Group
) -> None:
    shown = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)
    assert shown.exit_code == 0
    assert "..." not in shown.output.partition("Commands:")[2]
    assert {name: whole(one).name for name, one in group.commands.items()} == {name: name for name in group.commands}
    assert not any(isinstance(whole(one), Deferred) for one in group.commands.values())


def commands(path: tuple[str, ...], one: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(one, click.Group):
        for name, below in one.commands.items():
            yield from commands((*path, name), whole(below))
    else:
        yield " ".join(path), one


def test_every_command_that_tells_something_tells_it_as_json_too() -> None:
    without = {name for name, one in commands((), main) if not any("--json" in each.opts for each in one.params)}
    assert without == {"serve", "completion"}, "the first logs in JSON, the second prints a program for a shell"


@pytest.mark.parametrize("path", [[], ["policy"]], ids=["regproxy", "regproxy policy"])
def test_help_loads_no_command(path: list[str]) -> None:
    script = (
        "import sys; from regproxy.cli import main; main([*sys.argv[1:], '--help'], standalone_mode=False);"
        "print(*(name for name in sys.modules if name.startswith('regproxy.') and '.cli' not in name))"
    )
    ran = subprocess.run([sys.executable, "-c", script, *path], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.splitlines()[-1] == ""
