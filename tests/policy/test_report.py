"""Findings for programs: their fields, their escapes and the shape that the formats ask for."""

import json

from regproxy.policy.codes import CODES
from regproxy.policy.load import load
from regproxy.policy.report import as_github, as_object, as_sarif
from regproxy.policy.source import Source

TEXT = "policy 1;\ntier a { match method is get; pass }\ntier b { match tag finds 'x'; pass; }\n"
FOUND = load(Source("a,b:c.policy", TEXT), {}).diagnostics


def test_a_finding_as_an_object_holds_its_place_and_its_fix() -> None:
    wrong = next(one for one in FOUND if one.code == "RP103")
    assert as_object(wrong) == {
        "code": "RP103",
        "severity": "error",
        "file": "a,b:c.policy",
        "line": 2,
        "column": 26,
        "end_line": 2,
        "end_column": 29,
        "sentence": "unknown method `get`",
        "note": "",
        "help": "write `GET`",
        "fix": [
            {"file": "a,b:c.policy", "line": 2, "column": 26, "end_line": 2, "end_column": 29, "text": "GET"},
        ],
    }


def test_a_workflow_command_is_one_line_with_its_special_characters_escaped() -> None:
    missing = next(one for one in FOUND if one.code == "RP002")
    assert as_github(missing) == (
        "::error file=a%2Cb%3Ac.policy,line=2,col=35,title=RP002::missing `;` after `pass`. add `;` here"
    )


def test_sarif_names_each_rule_once_and_each_result_by_it() -> None:
    log = json.loads(json.dumps(as_sarif(FOUND, "1.2.3")))
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({one.code for one in FOUND})
    assert all(rule["fullDescription"]["text"] == CODES[rule["id"]].text for rule in rules)
    for result, one in zip(run["results"], FOUND, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == one.code
        assert result["level"] in ("error", "warning", "note")
        place = result["locations"][0]["physicalLocation"]
        region = place["region"]
        # A URI, in which a colon would end a scheme.
        assert place["artifactLocation"]["uri"] == "a%2Cb%3Ac.policy"
        assert region["endColumn"] > region["startColumn"] > 0
