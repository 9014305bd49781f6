"""Asking the running proxy: which socket is meant, and what is said when nobody is there."""

import errno
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer

import pytest
from click.testing import CliRunner, Result

from regproxy.cli.admin import SERVICE_SOCKET
from regproxy.cli.policy import policy_group


def run(*arguments: str, **environ: str) -> Result:
    runner = CliRunner(env={"REGPROXY_ADMIN": None, "REGPROXY_CACHE_DIR": None, **environ})
    return runner.invoke(policy_group, arguments)


@contextmanager
def answering(path: Path, answer: Mapping[str, object] | str) -> Iterator[None]:
    """A proxy that gives this one answer to whatever it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield
        thread.join()


FINDING = {"file": "a.policy", "line": 2, "column": 7, "code": "RP003", "sentence": "`\x1b[2J` is no operator"}
SAID = "a.policy:2:7: RP003 `?[2J` is no operator\n"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"result": "unchanged", "checksum": "ab"}, 0, "unchanged\n"),
        (
            {"result": "success", "checksum": "ab", "findings": [FINDING], "changes": ["tags: fresh 1h"]},
            0,
            f"the new policy runs, checksum ab\n{SAID}tags: fresh 1h\n",
        ),
        ({"result": "failure", "findings": [FINDING]}, 1, f"the policy that ran runs on\n{SAID}"),
        (
            {"result": "failure", "detail": "cannot read it", "findings": []},
            1,
            "the policy that ran runs on\ncannot read it\n",
        ),
    ],
)
def test_a_reload_says_what_came_of_it_in_letters_that_drive_no_terminal(
    tmp_path: Path, answer: Mapping[str, object], code: int, said: str
) -> None:
    path = tmp_path / "admin.sock"
    with answering(path, answer):
        result = run("reload", "--admin", f"unix:{path}")
    assert (result.exit_code, result.stdout) == (code, said)


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


def test_the_service_of_the_machine_is_asked_where_nothing_else_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "service.sock"
    monkeypatch.setattr("regproxy.cli.admin.SERVICE_SOCKET", path)
    monkeypatch.setattr("regproxy.cli.admin.default_cache_directory", lambda _: tmp_path)
    assert f"no proxy answers at {tmp_path / 'admin.sock'}" in run("reload").stderr
    with answering(path, {"result": "unchanged"}):
        assert (
            f"no proxy answers at {tmp_path}/own/admin.sock"
            in run("reload", REGPROXY_CACHE_DIR=str(tmp_path / "own")).stderr
        )
        assert run("reload").exit_code == 0


def test_the_unit_has_its_socket_where_commands_look_for_it() -> None:
    unit = Path(__file__).parents[2] / "deploy" / "systemd" / "regproxy.service"
    assert f"REGPROXY_ADMIN=unix:{SERVICE_SOCKET}\n" in unit.read_text()


def test_a_port_of_something_else_is_told_from_a_proxy_that_is_away(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with answering(path, "alive"):
        result = run("reload", "--admin", f"unix:{path}")
    assert result.exit_code == 1
    assert f"what answers at {path} is not where a regproxy is asked" in result.stderr


def test_who_may_not_open_the_socket_learns_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("regproxy.cli.admin._Connection.connect", refuse)
    result = run("reload", "--admin", f"unix:{tmp_path / 'admin.sock'}")
    assert (result.exit_code, "is for the proxy's own user" in result.stderr) == (1, True)


def test_a_token_file_that_is_not_there_is_named_with_its_flag(tmp_path: Path) -> None:
    missing = tmp_path / "token"
    result = run("reload", "--admin", "http://127.0.0.1:9", "--admin-token-file", str(missing))
    assert result.exit_code == 2
    assert f"--admin-token-file: {missing}: No such file or directory" in result.stderr


@pytest.mark.parametrize(
    ("admin", "said"),
    [
        ("off", "--admin is off"),
        ("tcp:9", "tcp:9 asks for a token; give --admin-token-file"),
        ("ftp://a", "nor http://HOST:PORT"),
    ],
)
def test_an_address_that_is_no_socket_is_a_usage_error(admin: str, said: str) -> None:
    result = run("reload", "--admin", admin)
    assert (result.exit_code, said in result.stderr) == (2, True)
