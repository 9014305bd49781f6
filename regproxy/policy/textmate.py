"""A TextMate grammar of the language, made from the schema and from the lexer's own patterns, for editors.

A name is highlighted where it has a meaning: a directive in its block, a word in its directive.
"""

import re
from collections.abc import Iterable

from regproxy.policy.block import BlockType, Directive
from regproxy.policy.convert import FAILURE_WORDS
from regproxy.policy.expression import KINDS
from regproxy.policy.parse import grammar
from regproxy.policy.schema import ATTRIBUTES, METHODS, OPERATORS, POLICY

SCOPE = "source.regproxy-policy"
Rule = dict[str, object]

_LITERALS = {
    "RAW": "string.quoted.single",
    "VARIABLE": "variable.other",
    "DURATION": "constant.numeric.duration",
    "SIZE": "constant.numeric.size",
    "PERCENT": "constant.numeric.percent",
    "RATE": "constant.numeric.rate",
    "STATUSES": "constant.numeric.status",
    "INTEGER": "constant.numeric.integer",
    "BADNUMBER": "invalid.illegal.number",
    "NAME": "string.unquoted.name",
    "BADSTRING": "invalid.illegal.string",
}
_OF_A_NAME = r"[\w.$-]"


def textmate() -> Rule:
    """The grammar, as the object that its JSON file holds."""
    return {
        "name": "regproxy policy",
        "scopeName": SCOPE,
        "fileTypes": ["policy"],
        "patterns": _inside(POLICY),
        "repository": {
            "comment": _literal("COMMENT", "comment.line.number-sign"),
            "values": {"patterns": [_string(), *(_literal(name, scope) for name, scope in _LITERALS.items())]},
            "header": {"patterns": [_string(), _literal("NAME", "entity.name.section")]},
            "match": _match(),
            "let": _let(),
        },
    }


def _inside(type_: BlockType) -> list[Rule]:
    """The rules for what stands in a block; longer names first, since the first rule that matches wins."""
    directives = sorted(type_.directives.values(), key=lambda directive: -len(directive.key))
    return [
        _include("comment"),
        *([_include("let")] if type_ is POLICY else []),
        *([_include("match")] if type_.has_match else []),
        *(_block(inner) for inner in type_.blocks.values()),
        *(_directive(directive) for directive in directives),
    ]


def _block(type_: BlockType) -> Rule:
    return {
        "begin": rf"{_whole([type_.key])}([^;{{}}]*)(\{{)",
        "beginCaptures": {
            "1": _named("keyword.control.block"),
            "2": {"patterns": [_include("header")]},
            "3": _named("punctuation.section.block.begin"),
        },
        "end": r"\}",
        "endCaptures": {"0": _named("punctuation.section.block.end")},
        "patterns": _inside(type_),
    }


def _directive(directive: Directive) -> Rule:
    constants, connectives = _words(directive.form)
    rules = [(constants, "constant.language"), (connectives, "keyword.other.connective")]
    words = [_any_of(words, scope) for words, scope in rules if words]
    return _statement([directive.key], "keyword.other.directive", [*words, _include("values")])


def _words(form: str) -> tuple[list[str], list[str]]:
    """The words of a form: those that one chooses from, and those that only connect."""
    constants: list[str] = []
    connectives: list[str] = []
    for place in form.split():
        choices = place.strip("[]").removesuffix("...").split("|")
        words = [choice for choice in choices if choice.islower()]
        (connectives if words == choices and len(words) == 1 else constants).extend(words)
        if "FAILURE" in choices:
            constants += [word for word in FAILURE_WORDS if word.isalpha()]
    return constants, connectives


def _match() -> Rule:
    operators = "|".join(["not", *OPERATORS])
    rules: list[Rule] = [
        {
            "match": rf"{_whole(['matches', 'finds'])}\s+({_pattern('RAW')})",
            "captures": {"1": _named("keyword.operator.word"), "2": _named("string.regexp")},
        },
        {
            "match": rf"{_whole(ATTRIBUTES)}(?=\s+(?:{operators})(?!{_OF_A_NAME}))",
            "captures": {"1": _named("support.variable.attribute")},
        },
        _any_of(OPERATORS, "keyword.operator.word"),
        _any_of(["and", "or", "not"], "keyword.operator.logical"),
        _any_of(["any", *KINDS, *METHODS], "constant.language"),
        _include("values"),
    ]
    return _statement(["match"], "keyword.control.match", rules)


def _let() -> Rule:
    name: Rule = {
        "match": rf"(?<=let)\s+({_pattern('NAME')})\s*(=)",
        "captures": {"1": _named("variable.other.definition"), "2": _named("keyword.operator.assignment")},
    }
    return _statement(["let"], "keyword.control.let", [name, _include("values")])


def _statement(names: Iterable[str], scope: str, rules: Iterable[Rule]) -> Rule:
    """From a name to its `;`, or to a brace where that is missing."""
    return {
        "begin": _whole(names),
        "beginCaptures": {"1": _named(scope)},
        "end": r"(;)|(?=[{}])",
        "endCaptures": {"1": _named("punctuation.terminator.statement")},
        "patterns": [_include("comment"), *rules],
    }


def _string() -> Rule:
    """A string in double quotes; only the quote and the backslash are escaped."""
    escapes = [
        {"match": r'\\["\\]', **_named("constant.character.escape")},
        {"match": r"\\.", **_named("invalid.illegal.escape")},
    ]
    rule = {"match": _pattern("STRING"), **_named("string.quoted.double")}
    return {**rule, "captures": {"0": {"patterns": escapes}}}


def _literal(terminal: str, scope: str) -> Rule:
    return {"match": _pattern(terminal), **_named(scope)}


def _any_of(words: Iterable[str], scope: str) -> Rule:
    return {"match": _whole(words), **_named(scope)}


def _whole(words: Iterable[str]) -> str:
    """One of these words as a group, not as a part of a longer name; words of a name may stand wide apart."""
    choices = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
    return rf"(?<!{_OF_A_NAME})({choices})(?!{_OF_A_NAME})"


def _pattern(terminal: str) -> str:
    """The lexer's own pattern of a terminal."""
    return next(str(one.pattern.to_regexp()) for one in grammar().terminals if one.name == terminal)


def _include(rule: str) -> Rule:
    return {"include": f"#{rule}"}


def _named(scope: str) -> Rule:
    return {"name": f"{scope}.regproxy-policy"}
