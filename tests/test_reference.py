"""docs/reference and the man page: as the program is now, and a man page that groff has nothing to say of."""

import subprocess

import pytest

from docs.generator import ROOT, pages
from tests.lab.peers import need


@pytest.mark.parametrize("name", list(pages()))
def test_a_made_page_says_what_the_program_does_now(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == pages()[name], "python -m docs.generator"


def test_the_man_page_is_set_without_a_warning() -> None:
    need("groff")
    command = ["groff", "-man", "-Tutf8", "-ww", "-P-cbou", str(ROOT / "deploy" / "regproxy.1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("regproxy policy check", "--cache-dir", "cache import"):
        assert words in done.stdout
