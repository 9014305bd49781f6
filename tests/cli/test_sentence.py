"""Errors in the words of a command."""

import errno

import pytest

from regproxy.cli.sentence import sentence


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"), "/a: No such file or directory"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "Connection refused"),
        (OSError("the disk is gone"), "the disk is gone"),
        (ValueError("that is no name"), "that is no name"),
    ],
)
def test_an_error_has_no_number_and_names_its_file(error: Exception, said: str) -> None:
    assert sentence(error) == said
