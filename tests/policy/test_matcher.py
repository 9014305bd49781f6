"""The compiled matcher where it differs in kind from the text: large sets, and sets that RE2 cannot hold."""

import dataclasses
import gc
import weakref

import pytest

from regproxy.model.decision import PolicyRequest
from regproxy.policy.load import load
from regproxy.policy.matcher import MAX_PATTERNS, MAX_REMEMBERED, PatternSet
from regproxy.policy.pattern import Anchor, compile_glob, compile_regex
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source


class Forgetful:
    """A set that ran out of memory: it finds nothing, not even what always matches."""

    def Match(self, _text: str) -> None:  # noqa: N802
        return None


def request(tag: str) -> PolicyRequest:
    return PolicyRequest("GET", "hub.example:443", "hub", "manifest", "/", "a/b", tag)


def policy(text: str) -> Policy:
    loaded = load(Source("test", f"policy 1;\n{text}"), {})
    assert loaded.policy is not None, loaded.diagnostics
    return loaded.policy


@pytest.mark.parametrize("tag", ["v1", "v22", "latest", "x"])
def test_a_set_that_runs_out_of_memory_is_matched_one_by_one(tag: str) -> None:
    patterns = [(compile_regex(r"v\d+"), 1), (compile_regex(r".*\d"), 2), (compile_regex("latest"), 4)]
    compiled = PatternSet.compile("tag", Anchor.WHOLE, patterns)
    forgetful = dataclasses.replace(compiled, compiled=Forgetful())
    assert forgetful.bits(request(tag)) == compiled.bits(request(tag))


def test_a_set_that_is_too_large_for_its_memory_still_decides() -> None:
    large = [(compile_regex("(?:a{300}b?){3}" + "c" * at), 1 << at) for at in range(MAX_PATTERNS)]
    compiled = PatternSet.compile("tag", Anchor.WHOLE, large)
    assert compiled.bits(request("a" * 900)) == 1


def test_a_missing_attribute_matches_no_pattern() -> None:
    compiled = PatternSet.compile("tag", Anchor.WHOLE, [(compile_glob("**"), 1)])
    assert (compiled.bits(request("")), compiled.bits(request("x"))) == (0, 1)


def test_more_patterns_than_one_set_holds_are_all_tried() -> None:
    tiers = "".join(f"tier t{n} {{ match tag matches 'v{n}\\.\\d+'; pass; }}\n" for n in range(3 * MAX_PATTERNS))
    many = policy(tiers)
    for number in (0, MAX_PATTERNS - 1, MAX_PATTERNS, 3 * MAX_PATTERNS - 1):
        assert many.on_request(request(f"v{number}.1")).tier == f"t{number}"
    assert many.on_request(request("v9999.1")).tier == "unmatched"


def test_a_policy_that_is_replaced_is_gone_at_once() -> None:
    """A large one in a circle would wait for the collector, and then hold up everybody for its size."""
    used = policy('tier a { match kind is manifest and tag like "v*"; fresh 1m; }\ntier b { match any; pass; }\n')
    assert used.on_request(request("v1")).tier == "a"
    collecting = gc.isenabled()
    gc.disable()
    try:
        gone = weakref.ref(used)
        matcher = weakref.ref(used._memory._matcher)
        del used
        assert (gone(), matcher()) == (None, None)
    finally:
        if collecting:
            gc.enable()


def test_a_bounded_number_of_decisions_is_remembered_and_the_oldest_gives_way() -> None:
    used = policy('tier a { match tag like "v*"; fresh 1m; }\n')
    for number in range(MAX_REMEMBERED + 2):
        assert used.on_request(request(f"v{number}")).tier == "a"
    remembered = [key[-1] for key in used._memory._known if isinstance(key, tuple)]
    assert (len(remembered), remembered[0], remembered[-1]) == (MAX_REMEMBERED, "v2", f"v{MAX_REMEMBERED + 1}")


def test_an_unshared_policy_decides_the_same_and_remembers_elsewhere() -> None:
    used = policy("tier a { match kind is manifest; fresh 1m; }\n")
    other = used.unshared()
    assert other.on_request(request("v1")) == used.on_request(request("v1"))
    assert other._memory._known is not used._memory._known
    assert other.checksum == used.checksum
