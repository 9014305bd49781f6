"""Asking the running proxy: which socket is meant, and what is said when nobody is there."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.policy import policy_group


def run(*arguments: str, **environ: str) -> Result:
    runner = CliRunner(env={"REGPROXY_ADMIN": None, "REGPROXY_CACHE_DIR": None, **environ})
    return runner.invoke(policy_group, arguments)


@pytest.mark.parametrize("command", [("reload",), ("explain", "--live", "quay.io/a/b")])
def test_the_socket_lies_in_the_cache_directory_that_the_environment_names_to_serve(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = run(*command, REGPROXY_CACHE_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert f"no proxy answers at {tmp_path / 'admin.sock'}: " in result.stderr


def test_a_socket_that_is_named_comes_before_the_cache_directory(tmp_path: Path) -> None:
    named = tmp_path / "other.sock"
    for result in (
        run("reload", "--admin", f"unix:{named}", REGPROXY_CACHE_DIR="/nonexistent"),
        run("reload", REGPROXY_ADMIN=f"unix:{named}", REGPROXY_CACHE_DIR="/nonexistent"),
    ):
        assert f"no proxy answers at {named}: " in result.stderr


@pytest.mark.parametrize(
    ("admin", "said"), [("off", "--admin is off"), ("tcp:9", "neither unix:/an/absolute/path nor off")]
)
def test_an_address_that_is_no_socket_is_a_usage_error(admin: str, said: str) -> None:
    result = run("reload", "--admin", admin)
    assert (result.exit_code, said in result.stderr) == (2, True)
