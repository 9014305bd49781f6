"""What a decision of the policy costs: remembered, and cold, with 50 and with 1,000 tiers.

Run it with `python -m benchmarks.decisions`; it prints the median of several rounds in microseconds.
"""

import statistics
import time
from collections.abc import Iterable

from regproxy.model.decision import PolicyRequest
from regproxy.policy.load import load
from regproxy.policy.policy import Policy
from regproxy.policy.source import Source

ROUNDS = 15
ASKED = 2000
KINDS = (
    r"tag matches 'v?{n}\.\d+\.\d+([-+._].*)?'",
    'repo like "team-{n}/**"',
    'host is "registry-{n}.example"',
    "tag in [edge-{n}, nightly-{n}]",
    'client is "10.{n}.0.0/16" and kind is manifest',
)


def made(tiers: int) -> Policy:
    """A policy of so many tiers that look at different things."""
    rows = (
        f"tier t{n} {{ match {KINDS[n % len(KINDS)].replace('{n}', str(n % 256))}; fresh 5m; "
        "stale if-error 7d on $outage; }\n"
        for n in range(tiers)
    )
    loaded = load(Source("made", "policy 1;\n" + "".join(rows)), {})
    if loaded.policy is None:
        raise ValueError(loaded.errors[0].sentence)
    return loaded.policy


def requests(count: int) -> list[PolicyRequest]:
    """Requests that no tier takes, so that all are tried; no two alike."""
    return [
        PolicyRequest(
            "GET", "hub.example:443", "hub", "manifest", f"/v2/a/b{n}/manifests/x", f"a/b{n}", f"x{n}", "", "192.0.2.1"
        )
        for n in range(count)
    ]


def microseconds(policy: Policy, asked: Iterable[PolicyRequest]) -> float:
    """The mean time of one decision."""
    wanted = list(asked)
    start = time.perf_counter()
    for request in wanted:
        policy.on_request(request)
    return (time.perf_counter() - start) / len(wanted) * 1e6


def main() -> None:
    """Measure and print."""
    for tiers in (50, 1000):
        policy = made(tiers)
        cold = statistics.median(
            microseconds(made(tiers), requests(ASKED)) for _ in range(ROUNDS if tiers < 100 else 3)
        )
        warm = requests(1000)
        microseconds(policy, warm)
        remembered = statistics.median(microseconds(policy, warm) for _ in range(ROUNDS))
        print(f"{tiers:5} tiers: {remembered:6.2f} us remembered, {cold:7.1f} us cold")


if __name__ == "__main__":
    main()
