"""The bundle of certificate authorities that libcurl is given."""

import os
from pathlib import Path

import pytest

from regproxy.upstream.trust import TrustBundle


def test_without_ca_files_the_first_system_bundle_is_used_as_it_is(tmp_path: Path) -> None:
    system = tmp_path / "system.crt"
    system.write_text("SYSTEM\n")
    assert TrustBundle((), (str(tmp_path / "none"), str(system))).path == str(system)


def test_ca_files_are_added_to_the_system_bundle(tmp_path: Path) -> None:
    names = []
    for name in ("system", "first", "second"):
        (tmp_path / name).write_text(name.upper() + "\n")
        names.append(str(tmp_path / name))
    bundle = TrustBundle((names[1], names[2]), (names[0],))
    assert Path(bundle.path).read_text().split() == ["SYSTEM", "FIRST", "SECOND"]
    bundle.close()
    bundle.close()
    assert not Path(bundle.path).exists()


def test_a_machine_without_any_bundle_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="install ca-certificates"):
        TrustBundle((), (str(tmp_path / "none"),))
    own = tmp_path / "own"
    own.write_text("OWN")
    bundle = TrustBundle((str(own),), ())
    assert Path(bundle.path).read_text() == "OWN"
    bundle.close()


def test_a_pipe_in_the_place_of_a_ca_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe cannot be read: it is not a regular file"):
        TrustBundle((str(tmp_path / "pipe"),))


def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none cannot be read: No such file"):
        TrustBundle((str(tmp_path / "none"),))
