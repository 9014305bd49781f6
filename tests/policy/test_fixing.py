"""Fixes: what is sure is mended, and the mended text has one finding less."""

import pytest

from regproxy.policy.diagnostic import error, replaced
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


def test_what_a_first_fix_uncovers_a_second_one_mends() -> None:
    texts = ["policy 1;\ncache { size 1GiB }\ntier t { match any; fresh 10min }\n"]
    while mended := fixed(load(Source("p", texts[-1]), {}).diagnostics):
        texts += mended.values()
    assert texts[1] == "policy 1;\ncache { size 1GiB; }\ntier t { match any; fresh 10min; }\n"
    assert texts[2] == "policy 1;\ncache { size 1GiB; }\ntier t { match any; fresh 10m; }\n"


def test_of_two_fixes_that_overlap_only_the_first_is_made() -> None:
    source = Source("p", "one two three")
    first, second, third = (
        error("RP001", Span(source, start, stop), "", fix=replaced(Span(source, start, stop), text))
        for start, stop, text in ((0, 7, "1"), (4, 13, "2"), (8, 13, "3"))
    )
    assert fixed([first, second, third]) == {source: "1 3"}
    assert fixed([second, first, third]) == {source: "one 2"}
