"""Which directories a start uses when nobody names them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from regproxy.settings.directories import default_ca_directory, default_cache_directory


def test_a_user_at_home_gets_directories_at_home(tmp_path: Path) -> None:
    environ = {"HOME": "/home/ada"}
    assert default_ca_directory(environ, tmp_path) == Path("/home/ada/.local/state/regproxy/ca")
    assert default_cache_directory(environ, tmp_path) == Path("/home/ada/.cache/regproxy")


def test_xdg_variables_move_them_unless_relative(tmp_path: Path) -> None:
    environ = {"HOME": "/home/ada", "XDG_STATE_HOME": "/state", "XDG_CACHE_HOME": "/fast"}
    assert default_ca_directory(environ, tmp_path) == Path("/state/regproxy/ca")
    assert default_cache_directory(environ, tmp_path) == Path("/fast/regproxy")
    relative = {"HOME": "/home/ada", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "."}
    assert default_ca_directory(relative, tmp_path) == Path("/home/ada/.local/state/regproxy/ca")
    assert default_cache_directory(relative, tmp_path) == Path("/home/ada/.cache/regproxy")


def test_the_seeds_volumes_are_used_where_they_are_mounted(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "docker_mirror_cache").mkdir()
    environ = {"HOME": "/home/ada", "XDG_CACHE_HOME": "/fast"}
    assert default_ca_directory(environ, tmp_path) == tmp_path / "ca"
    assert default_cache_directory(environ, tmp_path) == tmp_path / "docker_mirror_cache"


def test_a_ca_volume_that_cannot_be_written_counts_when_it_holds_a_ca(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca").mkdir()
    # Root may write everywhere, and these tests may run as root.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert default_ca_directory({"HOME": "/home/ada"}, tmp_path) == Path("/home/ada/.local/state/regproxy/ca")
    (tmp_path / "ca" / "ca.crt").write_bytes(b"")
    assert default_ca_directory({"HOME": "/home/ada"}, tmp_path) == tmp_path / "ca"


def test_no_home_in_the_environment_is_looked_up(tmp_path: Path) -> None:
    assert default_cache_directory({}, tmp_path) == Path.home() / ".cache" / "regproxy"


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"CA_CRT_FILE": "/pki/ca.crt", "CA_KEY_FILE": "/pki/ca.key"}, "/pki"),
        ({"CA_CRT_FILE": "ROOT/ca/ca.crt"}, "ROOT/ca"),
        ({"CA_KEY_FILE": " ", "CA_CRT_FILE": ""}, "/home/ada/.local/state/regproxy/ca"),
        ({"CA_SRL_FILE": "/elsewhere/ca.srl"}, "/home/ada/.local/state/regproxy/ca"),
    ],
)
def test_the_seeds_variables_name_the_directory_of_the_ca(
    environ: Mapping[str, str], directory: str, tmp_path: Path
) -> None:
    given = {name: value.replace("ROOT", str(tmp_path)) for name, value in environ.items()}
    assert default_ca_directory({"HOME": "/home/ada", **given}, tmp_path) == Path(
        directory.replace("ROOT", str(tmp_path))
    )


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"CA_CRT_FILE": "/pki/ca.crt"}, "CA_KEY_FILE"),
        ({"CA_CRT_FILE": "/a/ca.crt", "CA_KEY_FILE": "/b/ca.key"}, "CA_KEY_FILE"),
        ({"CA_CRT_FILE": "/pki/root.pem", "CA_KEY_FILE": "/pki/ca.key"}, "CA_CRT_FILE"),
        ({"CA_CRT_FILE": "ca.crt", "CA_KEY_FILE": "ca.key"}, "CA_CRT_FILE"),
    ],
)
def test_a_ca_that_is_not_two_files_in_one_directory_is_refused_by_name(
    environ: Mapping[str, str], variable: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"^{variable} is .*--ca-dir$"):
        default_ca_directory(environ, tmp_path)
