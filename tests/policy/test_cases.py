"""Golden cases: a policy with mistakes and every word that is said about it; UPDATE=1 rewrites what is expected."""

import os
import re
from pathlib import Path

import pytest

from regproxy.policy.codes import CODES
from regproxy.policy.diagnostic import render
from regproxy.settings.choose import load_file

CASES = sorted((Path(__file__).parent / "cases").glob("*.policy"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_policy_gets_the_findings_that_are_written_beside_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    loaded = load_file(Path(path.name))
    said = "\n".join(render(found) for found in loaded.diagnostics)
    expected = path.with_suffix(".expected")
    if os.environ.get("UPDATE") == "1":
        expected.write_text(said)
    assert said == expected.read_text()
    assert (loaded.policy is None) == any(found.is_error for found in loaded.diagnostics)


def test_every_code_that_is_explained_stands_in_a_case() -> None:
    cases = (*CASES, *(Path(__file__).parents[1] / "rehearsal" / "cases").glob("*.policy"))
    shown = "".join(path.with_suffix(".expected").read_text() for path in cases)
    # These depend on a large file, modes, a CA, a layout and tests that are run, and have tests of their own.
    assert {code for code in CODES if f"[{code}]" not in shown} == {
        "RP009",
        "RP303",
        "RP306",
        "RP310",
        "RP601",
        "RP701",
    }


def test_every_code_that_the_source_uses_is_explained() -> None:
    package = Path(__file__).parents[2] / "regproxy"
    used = {code for path in package.rglob("*.py") for code in re.findall(r'"(RP[0-9]{3})"', path.read_text())}
    assert used == set(CODES)
    assert all(code.title and len(code.text) > 40 and code.text.endswith(".") for code in CODES.values())
