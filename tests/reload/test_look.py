"""Looking at files: what they hold, and never a wait."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from regproxy.reload.look import MAX_BYTES, hash_of, look


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _nothing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_nothing, "No such file"),
        (_fifo, "it is not a regular file"),
        (_folder, "it is not a regular file"),
        (_huge, "it is larger than 16 MiB"),
        (_circle, "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_file_is_a_problem_and_not_a_wait(
    tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    path = tmp_path / "a.policy"
    make(path)
    seen = look([str(path)])
    assert seen.held == {}
    assert sentence in seen.problems[str(path)]
    assert str(path) in seen.problems[str(path)]
    assert seen == look([str(path)])


@pytest.mark.parametrize("text", ["", "policy 1;\n", "Grüße\r\n", "x" * 1_000_000])
def test_a_look_says_what_a_text_says(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.policy"
    path.write_bytes(text.encode())
    assert look([str(path)]).held == {str(path): hash_of(text)}
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert look([str(path)]).held == {str(path): hash_of(text)}


def test_a_look_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "a.policy").touch()
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    look([str(tmp_path / name) for name in ("a.policy", "pipe", "none", "")], [str(tmp_path), str(tmp_path / "none")])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_content_counts_and_time_and_inode_do_not(tmp_path: Path) -> None:
    path, other = tmp_path / "a.policy", tmp_path / "b.policy"
    path.write_text("one")
    before = look([str(path)])
    other.write_text("one")
    other.replace(path)
    os.utime(path, (1, 1))
    assert look([str(path)]) == before
    path.write_text("two")
    assert look([str(path)]) != before


def test_a_folder_counts_by_the_names_that_are_shown(tmp_path: Path) -> None:
    before = look((), [str(tmp_path)])
    (tmp_path / ".hidden").touch()
    assert look((), [str(tmp_path)]) == before
    (tmp_path / "a.policy").touch()
    assert look((), [str(tmp_path)]) != before
