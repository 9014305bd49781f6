"""The layout of policies: one for each token stream, with every token and comment in it."""

import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regproxy.policy.format import formatted
from regproxy.policy.parse import every_token
from regproxy.settings.packaged import policies_directory

PACKAGED = sorted(policies_directory().rglob("*.policy"))
SAMPLES = [*PACKAGED, *sorted(Path(__file__).parent.rglob("*.policy"))]
WORDS = (
    'tier t stale if-error match any and or not is 10m 10min 5xx 5% 32GiB $x \'raw\' "text" "a; {b}" \'open "open '
    "{ } ( ) [ ] , ; ; = == && / é # \\ . 7"
).split(" ")


def tokens(text: str) -> list[tuple[str, str]]:
    """All tokens but white space; a comment and an open string end with their last visible character."""
    return [(token.type, token.rstrip(" \t\r")) for token in every_token(text) if token.type != "WHITESPACE"]


def pieces() -> st.SearchStrategy[str]:
    comment = st.sampled_from(["# note\n", '# it\'s "so"\n', "#\n", "# a { b; }\r\n"])
    space = st.sampled_from(["", " ", "\n", "\n\n\n", "    ", "\r\n", "\t"])
    return st.lists(st.tuples(st.sampled_from(WORDS) | comment, space).map("".join), max_size=60).map("".join)


@given(pieces() | st.text(max_size=80))
@settings(max_examples=500, deadline=None)
def test_every_token_is_kept_and_a_second_time_changes_nothing(text: str) -> None:
    once = formatted(text)
    assert tokens(once) == tokens(text)
    assert formatted(once) == once
    assert once == "" or (once.endswith("\n") and not once.endswith("\n\n"))
    assert "\n\n\n" not in once


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_keeps_its_tokens(path: Path) -> None:
    text = path.read_text(errors="replace")
    once = formatted(text)
    assert tokens(once) == tokens(text)
    assert formatted(once) == once


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_the_packaged_policies_are_formatted(path: Path) -> None:
    assert formatted(path.read_text()) == path.read_text()


@pytest.mark.parametrize(
    ("written", "laid_out"),
    [
        pytest.param("", "", id="empty"),
        pytest.param(" \n\t\r\n", "", id="white space only"),
        pytest.param("policy 1;\r\n\r\n\r\n\r\ncache{size 1GiB;}", "policy 1;\n\ncache { size 1GiB; }\n", id="spaces"),
        pytest.param(
            "policy 1; cache { size 1GiB; } tunnel { ports any; }",
            "policy 1;\ncache  { size 1GiB; }\ntunnel { ports any; }\n",
            id="one statement a line",
        ),
        pytest.param(
            "tier a\n{\n\nmatch any; pass;\n\n}",
            "tier a {\n    match any;\n    pass;\n}\n",
            id="a block over several lines",
        ),
        pytest.param(
            "tier a { match any; pass; }\ntier long { match any; pass; }\n\ntier b { match any; pass; }\n",
            "tier a    { match any; pass; }\ntier long { match any; pass; }\n\ntier b { match any; pass; }\n",
            id="a run of one-line blocks",
        ),
        pytest.param(
            "cache { size 1GiB; }\ntier longer { pass; }\nregistry a { hosts 'a'; }\n",
            "cache { size 1GiB; }\ntier longer { pass; }\nregistry a { hosts 'a'; }\n",
            id="blocks of different kinds",
        ),
        pytest.param(
            "registry a {\nhosts 'a';\ntoken-hosts 'b' 'c';\n# a note\nscheme http;\nupstream {\n}\ntls { }\n}\n",
            "registry a {\n    hosts       'a';\n    token-hosts 'b' 'c';\n    # a note\n    scheme http;\n"
            "    upstream {\n    }\n    tls { }\n}\n",
            id="a run of statements ends at a comment",
        ),
        pytest.param(
            "let a = 1h;\nlet long = [ 'x' ,'y', ];\n", "let a    = 1h;\nlet long = ['x', 'y',];\n", id="definitions"
        ),
        pytest.param(
            "cache {\nsize 1GiB; # one\nmin-free 10%;# two\n             # and more\n# three\n}\n",
            "cache {\n    size     1GiB;  # one\n    min-free 10%;   # two\n"
            "                    # and more\n    # three\n}\n",
            id="comments",
        ),
        pytest.param(
            "tier a { # why\nmatch tag in [\n'a', # first\n'b'\n] and (kind is blob\nor any)\nand any;\n}\n",
            "tier a {  # why\n    match tag in [\n        'a',  # first\n        'b'\n    ] and (kind is blob\n"
            "        or any)\n        and any;\n}\n",
            id="breaks within a statement stay",
        ),
        pytest.param("tier a # why\n{ pass; }\n", "tier a  # why\n{\n    pass;\n}\n", id="a comment before the brace"),
        pytest.param(
            "tier a { match kind == blob&&tag is a/b; };\n",
            "tier a { match kind == blob&&tag is a/b; };\n",
            id="mistakes",
        ),
        pytest.param(
            "tier a {\n  pass;\n\ntier b { pass; }\n",
            "tier a {\n    pass;\n\ntier b { pass; }\n",
            id="a brace is missing",
        ),
        pytest.param(
            "a { b \"open\n; 'x\"'; }\n",
            "a {\n    b \"open\n    ;\n    'x\"';\n}\n",
            id="a string that is not closed closes at no other line's quote",
        ),
    ],
)  # fmt: skip
def test_the_layout(written: str, laid_out: str) -> None:
    assert formatted(written) == laid_out
    assert formatted(laid_out) == laid_out


def test_a_block_that_is_too_long_for_its_line_is_broken_and_only_that_one() -> None:
    tags = " ".join(f"'{'x' * 16}'" for _ in range(5))
    text = f"tier short {{ match any; pass; }}\ntier long {{ match tag in {tags}; tls {{ a; }} pass; }}\n"
    assert formatted(text) == textwrap.dedent(
        f"""\
        tier short {{ match any; pass; }}
        tier long {{
            match tag in {tags};
            tls {{ a; }}
            pass;
        }}
        """
    )


def test_columns_are_given_up_where_they_would_push_a_line_over_the_width() -> None:
    fits = f"tier a {{ match tag is '{'x' * 80}'; pass; }}\n"
    assert formatted(f"{fits}tier {'b' * 30} {{ pass; }}\n").startswith(fits)
    remark = f"cache {{ size 1GiB; }}  # {'x' * 90}\n"
    assert formatted(f"{remark}tier {'b' * 30} {{ pass; }}  # c\n").startswith(remark)


def test_endless_nesting_is_laid_out_in_bounds() -> None:
    laid_out = formatted("{" * 3000 + "}" * 3000)
    assert len(laid_out) < 1_000_000
    assert formatted("{ }" * 3000) == "{ }\n" * 3000
