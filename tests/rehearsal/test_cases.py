"""Golden cases: a policy and every word that is proved about it; UPDATE=1 rewrites what is expected."""

import os
import re
from pathlib import Path

import pytest

from regproxy.policy.diagnostic import render
from regproxy.rehearsal.reachability import prove
from regproxy.settings.choose import load_file

CASES = sorted((Path(__file__).parent / "cases").glob("*.policy"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_policy_gets_the_proofs_that_are_written_beside_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    proved = prove(load_file(Path(path.name)), notes=True)
    said = "\n".join(render(found) for found in proved.diagnostics)
    expected = path.with_suffix(".expected")
    if os.environ.get("UPDATE") == "1":
        expected.write_text(said)
    assert said == expected.read_text()
    assert (proved.policy is None) == any(found.is_error for found in proved.diagnostics)


def test_every_code_of_a_proof_stands_in_a_case() -> None:
    room = Path(__file__).parents[2] / "regproxy" / "rehearsal"
    codes = {code for path in room.glob("*.py") for code in re.findall(r'"(RP[0-9]{3})"', path.read_text())}
    shown = "".join(path.with_suffix(".expected").read_text() for path in CASES)
    # A policy's own tests have tests of their own.
    assert {code for code in codes if f"[{code}]" not in shown} == {"RP701"}
    assert {"RP206", "RP208", "RP211", "RP311", "RP401", "RP402", "RP403", "RP404", "RP405"} <= codes
