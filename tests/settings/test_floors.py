"""The versions a start insists on."""

import importlib.metadata

import pycurl
import pytest

from regproxy.settings.floors import below_floors

GOOD = {"tornado": "6.6.1", "libcurl": "8.23.0", "cryptography": "46.0.7"}


def test_what_is_installed_here_is_good_enough() -> None:
    installed = {name: importlib.metadata.version(name) for name in ("tornado", "cryptography")}
    assert below_floors({**installed, "libcurl": pycurl.version_info()[1]}) == ()


@pytest.mark.parametrize(
    ("library", "version", "words"),
    [
        ("tornado", "6.6.0", "too old"),
        ("tornado", "6.6", "too old"),
        ("tornado", "6.5.9", "too old"),
        ("tornado", "6.6.2", ""),
        ("tornado", "6.10", "too new"),
        ("tornado", "6.7.0", "too new"),
        ("libcurl", "8.22.9", "too old"),
        ("libcurl", "8.9.1", "too old"),
        ("libcurl", "8.23.0-DEV", ""),
        ("libcurl", "9.0", ""),
        ("cryptography", "46.0.6", "too old"),
        ("cryptography", "50.0.2", ""),
        ("cryptography", "unknown", "too old"),
    ],
)
def test_each_bound_holds(library: str, version: str, words: str) -> None:
    problems = below_floors({**GOOD, library: version})
    assert len(problems) == (1 if words else 0)
    for problem in problems:
        assert f"{library} {version} is {words}" in problem
        assert "install at least" in problem


def test_all_problems_are_told_at_once() -> None:
    assert [problem.split()[0] for problem in below_floors({"tornado": "6.4", "libcurl": "7.88.1"})] == [
        "tornado", "libcurl", "cryptography",
    ]  # fmt: skip
    assert "cryptography is missing" in below_floors({"tornado": "6.4", "libcurl": "7.88.1"})[2]
