"""Fixes: what is sure is mended, and the mended text has one finding less."""

import pytest

from regproxy.policy.diagnostic import replaced, warning
from regproxy.policy.fixing import fixed
from regproxy.policy.load import load
from regproxy.policy.source import Source, Span

REST = 'registry r { hosts "r.example"; }\n'
ROWS = [
    ("RP001", "tier a { match any; fresh 10min; stale if-error 1d on $outage; }", "fresh 10m;"),
    ("RP002", "cache { size 1GiB }", "cache { size 1GiB; }"),
    ("RP002", "cache {\n    size 1GiB\n    inactive 1d;\n}", "size 1GiB;\n    inactive 1d;"),
    ("RP108", 'tier "a" { match any; pass; }', "tier a { match any; pass; }"),
    ("RP108", "tier a { match tag is 16; pass; }", 'tag is "16"'),
    ("RP103", "tier a { match method in [get, HEAD]; pass; }", "method in [GET, HEAD]"),
    ("RP112", 'registry b { hosts "https://b.example/v2"; }', 'hosts "b.example";'),
    ("RP112", 'tunnel { allow-address "10.1.2.3/8"; }', 'allow-address "10.0.0.0/8";'),
    ("RP204", "tier a { match tag matches '^v[0-9]$'; pass; }", "tag matches 'v[0-9]'"),
]


@pytest.mark.parametrize(("code", "wrong", "mended"), ROWS)
def test_a_fix_mends_what_it_is_about(code: str, wrong: str, mended: str) -> None:
    source = Source("p", f"policy 1;\n{REST}{wrong}\n")
    loaded = load(source, {})
    assert [one.code for one in loaded.diagnostics] == [code]
    text = fixed(loaded.diagnostics)[source]
    assert mended in text
    assert load(Source("p", text), {}).diagnostics == ()


def test_a_version_is_put_in_front() -> None:
    source = Source("p", REST)
    assert fixed(load(source, {}).diagnostics) == {source: f"policy 1;\n{REST}"}


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ((0, 2, "x"), (2, 4, "y"), "xyef"),
        ((0, 3, "x"), (2, 4, "y"), "xdef"),
        ((2, 4, "x"), (0, 6, "y"), "abxef"),
        ((2, 2, "x"), (2, 2, "y"), "abxcdef"),
        ((2, 2, "x"), (2, 4, "y"), "abxcdef"),
        ((2, 2, "x"), (4, 4, "y"), "abxcdyef"),
    ],
)
def test_of_two_fixes_in_one_place_the_first_is_made(
    first: tuple[int, int, str], second: tuple[int, int, str], text: str
) -> None:
    source = Source("p", "abcdef")
    spans = [(Span(source, start, stop), new) for start, stop, new in (first, second)]
    findings = [warning("RP001", span, "so", fix=replaced(span, new)) for span, new in spans]
    assert fixed(findings) == {source: text}


def test_what_a_first_fix_uncovers_a_second_one_mends() -> None:
    texts = ["policy 1;\ncache { size 1GiB }\ntier t { match any; fresh 10min }\n"]
    while mended := fixed(load(Source("p", texts[-1]), {}).diagnostics):
        texts += mended.values()
    assert texts[1] == "policy 1;\ncache { size 1GiB; }\ntier t { match any; fresh 10min; }\n"
    assert texts[2] == "policy 1;\ncache { size 1GiB; }\ntier t { match any; fresh 10m; }\n"
