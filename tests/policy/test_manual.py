"""The language described from its schema: nothing of it is left out, and the editors' grammar is up to date."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from regproxy.policy.convert import FAILURE_WORDS, TYPES
from regproxy.policy.manual import as_object, manual
from regproxy.policy.schema import ATTRIBUTES, OPERATORS, POLICY, every_block, operators
from regproxy.policy.textmate import SCOPE, textmate

EDITORS = Path(__file__).parents[2] / "docs" / "editors"
GRAMMAR = EDITORS / "regproxy-policy.tmLanguage.json"


def rules(rule: object) -> Iterator[dict[str, object]]:
    """All rules of a grammar."""
    if isinstance(rule, dict):
        yield rule
    for inner in rule.values() if isinstance(rule, dict) else rule if isinstance(rule, list) else ():
        yield from rules(inner)


def scopes(text: str, key: str, within: object) -> list[str]:
    """What a text is to the rules that know it, `key` being how they begin: `begin` or `match`; the first one wins."""
    found = []
    for rule in rules(within):
        pattern = rule.get(key)
        if isinstance(pattern, str) and re.match(pattern, text):
            captured = rule.get("beginCaptures", rule.get("captures", {}))
            named = [str(part["name"]) for part in (rule, *rules(captured)) if "name" in part]
            found.append(named[0].removesuffix(".regproxy-policy"))
    return found


def test_the_manual_has_every_block_directive_default_and_word() -> None:
    text = manual()
    assert max(map(len, text.splitlines())) <= 120
    for block in every_block():
        assert block.doc in text
        for directive in block.directives.values():
            assert f"\n    {directive.key} {directive.form}".rstrip() in text
            assert directive.doc.split()[0] in text
    for name in (*ATTRIBUTES, *OPERATORS, *TYPES, *FAILURE_WORDS):
        assert re.search(rf"\b{name}\b", text), name
    assert "$outage  [error, 429, 5xx]" in text
    assert "registry NAME { upstream { } }: how to reach the registry" in text


def test_the_object_has_the_same() -> None:
    found = as_object()
    assert json.loads(json.dumps(found)) == found
    assert [block["key"] for block in found["blocks"]] == list(POLICY.blocks)  # type: ignore[attr-defined]
    assert [attribute["operators"] for attribute in found["attributes"]] == [  # type: ignore[attr-defined]
        list(operators(name)) for name in ATTRIBUTES
    ]
    assert found["units"] == {
        "times": ["ms", "s", "m", "h", "d", "w"],
        "sizes": ["B", "kB", "kiB", "KB", "KiB", "MB", "MiB", "GB", "GiB", "TB", "TiB"],
    }
    assert found["names"] == {"outage": "[error, 429, 5xx]"}


def test_every_type_of_a_form_is_known() -> None:
    forms = {directive.form for block in every_block() for directive in block.directives.values()}
    words = {word for form in forms for word in re.findall(r"[A-Z_]+", form)}
    assert words <= set(TYPES)


def test_the_committed_grammar_is_the_one_that_the_schema_makes() -> None:
    way = f"write it anew: regproxy policy schema --textmate > docs/editors/{GRAMMAR.name}"
    assert json.loads(GRAMMAR.read_text()) == textmate(), way


def test_the_grammar_knows_every_name_of_the_schema() -> None:
    for block in every_block():
        assert block is POLICY or "keyword.control.block" in scopes(f"{block.key} x {{", "begin", textmate())
        for key in block.directives:
            apart = key.replace(" ", "   ")
            assert "keyword.other.directive" in scopes(f"{apart} 1;", "begin", textmate()), key
    for attribute in ATTRIBUTES:
        assert "support.variable.attribute" in scopes(f"{attribute} is x", "match", textmate())


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("10m", "constant.numeric.duration"),
        ("32GiB", "constant.numeric.size"),
        ("5%", "constant.numeric.percent"),
        ("180/6h", "constant.numeric.rate"),
        ("180/6", "invalid.illegal.number"),
        ("5xx", "constant.numeric.status"),
        ("404", "constant.numeric.integer"),
        ("10min", "invalid.illegal.number"),
        ("'raw'", "string.quoted.single"),
        ('"a\\"b"', "string.quoted.double"),
        ('"open', "invalid.illegal.string"),
        ("$outage", "variable.other"),
        ("registry-1", "string.unquoted.name"),
    ],
)
def test_the_grammar_has_the_literals_of_the_lexer(text: str, scope: str) -> None:
    repository = textmate()["repository"]
    assert isinstance(repository, dict)
    assert scopes(text, "match", repository["values"])[0] == scope


def test_the_extension_names_the_grammar() -> None:
    contributed = json.loads((EDITORS / "package.json").read_text())["contributes"]
    (grammar,), (language,) = contributed["grammars"], contributed["languages"]
    assert (EDITORS / grammar["path"]).resolve() == GRAMMAR.resolve()
    assert (grammar["scopeName"], grammar["language"]) == (SCOPE, language["id"])
    assert language["extensions"] == [f".{one}" for one in textmate()["fileTypes"]]  # type: ignore[attr-defined]
