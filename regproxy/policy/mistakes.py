"""A syntax error in words: what was expected, what stood there, what was probably meant."""

from lark import Token

from regproxy.policy.diagnostic import Diagnostic, error, named, replaced
from regproxy.policy.source import Source, Span

_WORDS = {
    "SEMICOLON": "`;`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "EQUAL": "`=`",
    "AND": "`and`",
    "OR": "`or`",
    "NOT": "`not`",
}
_VALUES = frozenset(
    "STRING RAW DURATION SIZE PERCENT RATE STATUSES INTEGER VARIABLE BADNUMBER BADSTRING BADCHARACTER".split()
)
_OPERATORS = frozenset("IS IN LIKE MATCHES FINDS".split())
_MEANT = {
    "=": "is",
    "~": "matches '…'",
    "&": "and",
    "|": "or",
    "!": "not",
}


def unexpected(source: Source, tokens: list[Token], at: int, accepted: frozenset[str]) -> Diagnostic:
    """The diagnostic for the token `at` which an item stopped; past the end when it is unfinished."""
    token = tokens[at] if at < len(tokens) else None
    before = tokens[at - 1] if at else None
    # Where a statement is complete and a name follows, the next statement begins.
    later = before is not None and (token is None or token.type in ("RBRACE", "NAME") or _line(token) > _line(before))
    if before is not None and later and "SEMICOLON" in accepted:
        place = _span(source, before).end
        sentence = f"missing `;` after `{named(_span(source, before))}`"
        return error("RP002", place, sentence, help="add `;` here", fix=replaced(place, ";"))
    in_match = bool(accepted & {"AND", *_OPERATORS})
    for near in tokens[max(0, at - 3) : at + 1] if in_match else ():
        if near.type in ("BADCHARACTER", "EQUAL") and near[0] in _MEANT:
            return error("RP003", _span(source, near), f"`{near}` is no operator", help=f"write `{_MEANT[near[0]]}`")
    span = _span(source, token) if token is not None else _span(source, tokens[-1]).end
    stood = f"`{named(span)}`" if token is not None else "the end"
    sentence = f"expected {_expected(accepted)}, found {stood}"
    return error("RP003", span, sentence, help=_hint(token, before, accepted))


def _hint(token: Token | None, before: Token | None, accepted: frozenset[str]) -> str:
    if token is None:
        return ""
    if token.type == "EQUAL":
        return "write the value right after the name; only `let` has a `=`"
    if token.type == "SEMICOLON" and before is None:
        return "a block ends with `}`, without `;`"
    if token.type == "RBRACE" and before is None:
        return "this `}` closes nothing; remove it, or look for a `}` too many above"
    if "NAME" in accepted and token.type in _VALUES and before is None:
        return "a statement begins with a name"
    return ""


def _expected(accepted: frozenset[str]) -> str:
    """The follow set in words."""
    words = [word for name, word in _WORDS.items() if name in accepted]
    if accepted & _VALUES:
        words.insert(0, "a value")
    elif "NAME" in accepted:
        words.insert(0, "a name")
    if accepted & _OPERATORS:
        words = ["`is`, `in`, `like`, `matches`, `finds`"]
    return " or ".join(words) if words else "nothing more"


def _line(token: Token) -> int:
    return token.line or 0


def _span(source: Source, token: Token) -> Span:
    return Span(source, token.start_pos or 0, token.end_pos or 0)
