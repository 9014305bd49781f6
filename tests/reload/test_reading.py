"""A reading is of one state of the disk."""

from pathlib import Path

import pytest

from regproxy.policy.load import Loaded
from regproxy.reload.reading import MAX_READINGS, Watched, read
from regproxy.settings.choose import load_file
from tests.reload.stage import tiers


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.policy"
    path.write_text(tiers("old"))
    loads = 0

    def load() -> Loaded:
        nonlocal loads
        loads += 1
        loaded = load_file(path)
        if loads == 1:
            path.write_text(tiers("new"))
        return loaded

    reading = read(load, Watched(frozenset()))
    assert loads == 2
    assert reading.loaded.sources[0].text == tiers("new")


def test_files_that_never_keep_still_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.policy"
    path.write_text(tiers("t0"))
    loads = 0

    def load() -> Loaded:
        nonlocal loads
        loads += 1
        loaded = load_file(path)
        path.write_text(tiers(f"t{loads}"))
        return loaded

    with pytest.raises(OSError, match="change while they are read"):
        read(load, Watched(frozenset()))
    assert loads == MAX_READINGS


def test_it_knows_every_file_that_counts(tmp_path: Path) -> None:
    path, part, ca = tmp_path / "a.policy", tmp_path / "conf.d" / "b.policy", tmp_path / "ca.pem"
    part.parent.mkdir()
    part.write_text(f'registry r {{ hosts "r.test"; tls {{ ca file "{ca}"; }} }}\n')
    path.write_text('policy 1;\ninclude "conf.d/*.policy";\ntier t { match any; pass; }\n')
    ca.write_text("CA")
    reading = read(lambda: load_file(path), Watched(frozenset()))
    assert reading.watched == Watched(frozenset(map(str, (path, part, ca))), frozenset({str(part.parent)}))
    assert set(reading.beside) == {str(ca)}
    ca.unlink()
    assert "ca.pem: No such file" in read(lambda: load_file(path), Watched(frozenset())).problems[0]
