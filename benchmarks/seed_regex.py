"""How long the seed's patterns take on hostile tags of 128 characters: python -m benchmarks.seed_regex

A tag is a stranger's choice and its match runs on the loop that serves everybody: one must stay below a millisecond.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from regproxy.model.decision import Decision, PolicyRequest
from regproxy.policy.load import load
from regproxy.policy.matcher import Matcher
from regproxy.policy.pattern import compile_regex
from regproxy.policy.policy import UNMATCHED
from regproxy.settings.packaged import packaged_source
from regproxy.settings.seed import TIERS
from tests.settings.references import MAX_TAG, hostile_tag

TAGS = 2000
REPEATS = 5
LIMIT = 1000.0


def microseconds(action: Callable[[], object]) -> float:
    """The best of a few runs, so that what the machine does meanwhile counts less."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter_ns()
        action()
        best = min(best, (time.perf_counter_ns() - began) / 1000)
    return best


def whole(matcher: Matcher, tag: str) -> Decision:
    """A decision that is not remembered."""
    path = f"/v2/a/manifests/{tag}"
    return matcher.decide(PolicyRequest("GET", "quay.io:443", "quay.io", "manifest", path, "a", tag))


def rows(tags: list[str]) -> Iterator[tuple[str, list[float]]]:
    """The rows of the table: a name, and a time for each tag."""
    for _, tier, regex, _ in TIERS:
        pattern = compile_regex(f"(?:{regex}).*")
        yield tier, [microseconds(partial(pattern.matches, tag)) for tag in tags]
    policy = load(packaged_source("seed"), {}).policy
    if policy is not None:
        matcher = Matcher(policy.tiers, UNMATCHED)
        yield "whole decision", [microseconds(partial(whole, matcher, tag)) for tag in tags]


def main() -> None:
    """Print median, 99th percentile and maximum in microseconds."""
    chance = random.Random(1)  # noqa: S311 -- repeatable, not secret
    tags = sorted({hostile_tag(chance) for _ in range(TAGS)})
    print(f"{len(tags)} tags of {MAX_TAG} characters; microseconds, limit {LIMIT:g}")
    print(f"{'':<24}{'median':>10}{'p99':>10}{'max':>10}")
    for name, times in rows(tags):
        times.sort()
        figures = (statistics.median(times), times[len(times) * 99 // 100], times[-1])
        print(f"{name:<24}" + "".join(f"{figure:>10.1f}" for figure in figures))


if __name__ == "__main__":
    main()
