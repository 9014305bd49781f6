"""A manifest regex of the seed as a pattern of the policy language.

nginx anchors `location ~ ^/v2/(.*)/manifests/REGEX` on the left only, so the pattern ends open. The group keeps an
alternation at the top together, which nginx would split over the whole location.
"""

import re
from collections.abc import Iterator

from regproxy.policy.pattern import compile_regex
from regproxy.policy.words import quoted

# What PCRE has and RE2 has not, and its name in words.
_PCRE_ONLY = (
    (re.compile(r"\(\?<?[=!]"), "look-around"),
    (re.compile(r"\(\?>"), "an atomic group"),
    (re.compile(r"\(\?(?:R|[0-9]|&|P>)"), "recursion"),
    (re.compile(r"\(\?\("), "a condition"),
    (re.compile(r"\\[1-9]|\\k[<{']"), "a back-reference"),
    (re.compile(r"[*+?}]\+"), "a possessive quantifier"),
    (re.compile(r"\\[KGZRXhHN]"), "an escape that only PCRE has"),
)
_ESCAPED_IN_NGINX = re.compile(r"""\\(["'\\])""")
_LEADING_NEGATIVE = re.compile(r"\(\?!((?:[^()\\]|\\.)*)\)(.+)\Z")


def regex_literal(variable: str, given: str) -> str:
    """The quoted pattern; raises ValueError naming variable, column and a rewrite."""
    if not given.isprintable():
        raise ValueError(f"{variable} contains a line break or another invisible character; remove it")
    regex = _as_nginx_reads(given)
    for construct, name in _PCRE_ONLY:
        found = next((at for at in _bare(regex) if construct.match(regex, at)), None)
        if found is not None:
            where = f"{variable}, column {_column(given, found)}"
            raise ValueError(f"{where}: {name} is not supported, patterns are RE2; {_rewrite(regex)}")
    try:
        compile_regex(regex)
    except ValueError as wrong:
        raise ValueError(f"{variable}: {wrong}") from wrong
    return quoted(f"(?:{regex}).*", pattern=True)


def seed_difference(given: str) -> str:
    """What this regex did in the seed and does not do here, in a clause; empty where it means the same."""
    regex = _as_nginx_reads(given)
    if regex.startswith("^"):
        return "begins with ^, which never matched in the seed; here it is the beginning of the tag"
    depth = 0
    for at in _bare(regex):
        depth += {"(": 1, ")": -1}.get(regex[at], 0)
        if regex[at] == "|" and depth == 0:
            return "has a | outside parentheses: the seed split its whole location there, here it chooses between tags"
    return ""


def _as_nginx_reads(regex: str) -> str:
    """The regex after nginx has read its configuration file, in which a backslash also protects itself and quotes."""
    return _ESCAPED_IN_NGINX.sub(r"\1", regex)


def _column(given: str, at: int) -> int:
    """Where in the variable's value, counted from 1, the character stands that nginx reads at `at`."""
    return next(end for end in range(1, len(given) + 1) if len(_as_nginx_reads(given[:end])) > at)


def _bare(regex: str) -> Iterator[int]:
    """The places where a construct may stand: not within `[…]`, not behind a backslash."""
    at, inside = 0, False
    while at < len(regex):
        if not inside:
            yield at
        if regex[at] == "\\":
            at += 1
        elif regex[at] == "[" and not inside:
            inside = True
            at += regex[at + 1 : at + 2] in ("]", "^")
        elif regex[at] == "]":
            inside = False
        at += 1


def _rewrite(regex: str) -> str:
    """The way out: the same in the policy language where it can be said, else a hint."""
    found = _LEADING_NEGATIVE.match(regex)
    if found is not None:
        excluded, rest = found.groups()
        try:
            literals = [quoted(f"(?:{part}).*", pattern=True) for part in (rest, excluded) if compile_regex(part)]
        except ValueError:
            literals = []
        if literals:
            condition = f"kind is manifest and ref matches {literals[0]} and ref not matches {literals[1]}"
            return f"in a policy file: match {condition};"
    return "say what shall match instead, or write a policy file with an earlier tier for the exception"
