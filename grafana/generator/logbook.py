"""The log (needs Loki): repositories, tags and clients, which are too many for metrics."""

from grafana.generator.panel import Board, LogGraph, LogLines, Query, Row, TopLogs
from grafana.generator.words import OUTCOMES

LINES = '{job=~"$job"} | json'
REQUESTS = f'{LINES} | event="request"'
PULLS = f'{LINES} | event="pull"'
IMAGE = ("authority, repository, reference", "{{authority}}/{{repository}} {{reference}}")
FAILED = 'status=~"429|5.."'
FAILURES = "upstream|throttled|breaker|credential|connect|handshake|mismatch|store"


def _top(by: str, what: str) -> str:
    """The ten values of labels with most of something."""
    return f"topk(10, sum by ({by}) ({what}))"


def _counted(lines: str) -> str:
    return f"count_over_time({lines} [$__range])"


WHO = Row(
    "Who pulls what",
    (
        TopLogs(
            title="Which images are pulled most?",
            description="Whole pulls in the time shown: manifests, config and layers of one client joined.",
            unit="short",
            queries=(Query(_top(IMAGE[0], _counted(PULLS)), IMAGE[1]),),
        ),
        TopLogs(
            title="Which images spend the pulls?",
            description="What pulls of them cost of a registry's allowance in the time shown.",
            unit="short",
            queries=(Query(_top(IMAGE[0], f"sum_over_time({PULLS} | unwrap spent [$__range])"), IMAGE[1]),),
        ),
        TopLogs(
            title="Which repositories are asked for most?",
            description="Requests in the time shown.",
            unit="short",
            queries=(
                Query(
                    _top("authority, repository", _counted(f'{REQUESTS} | repository!=""')),
                    "{{authority}}/{{repository}}",
                ),
            ),
        ),
        TopLogs(
            title="Which clients ask most?",
            description="Requests in the time shown, by address.",
            unit="short",
            queries=(Query(_top("client", _counted(REQUESTS)), "{{client}}"),),
        ),
        TopLogs(
            title="Which repositories move most bytes?",
            description="Bytes sent to clients in the time shown.",
            unit="bytes",
            queries=(
                Query(
                    _top(
                        "authority, repository",
                        f'sum_over_time({REQUESTS} | repository!="" | unwrap bytes [$__range])',
                    ),
                    "{{authority}}/{{repository}}",
                ),
            ),
        ),
        TopLogs(
            title="Which images are fetched again and again?",
            description="Manifests in the time shown that the cache did not have; "
            "many of one image mean that it is evicted or never stored.",
            unit="short",
            queries=(
                Query(
                    _top(IMAGE[0], _counted(f'{REQUESTS} | kind="manifest" | outcome=~"miss|expired|pass"')),
                    IMAGE[1],
                ),
            ),
        ),
    ),
)
TROUBLE = Row(
    "What goes wrong",
    (
        LogGraph(
            title="How are logged requests answered?",
            description="Lines per second, by outcome.",
            unit="reqps",
            queries=(Query(f"sum by (outcome) (rate({REQUESTS} [$__auto]))", "{{outcome}}"),),
            stacked=True,
            colours=OUTCOMES,
        ),
        LogGraph(
            title="Which failures are logged?",
            description="Lines per second about upstreams, limits, circuits, credentials, CONNECTs, handshakes, "
            "digests and the disk.",
            unit="ops",
            queries=(
                Query(
                    f'sum by (event) (rate({LINES} | event=~"{FAILURES}" [$__auto]))',
                    "{{event}}",
                ),
            ),
        ),
        TopLogs(
            title="Which clients fail most?",
            description="Answers 429 and 5xx in the time shown, by address.",
            unit="short",
            queries=(Query(_top("client", _counted(f"{REQUESTS} | {FAILED}")), "{{client}}"),),
        ),
        TopLogs(
            title="Which clients do not trust our CA?",
            description="Broken handshakes in the time shown, by address: run the setup script there.",
            unit="short",
            queries=(
                Query(_top("client", _counted(f'{LINES} | event="handshake" | cause="unknown_ca"')), "{{client}}"),
            ),
        ),
        LogLines(
            title="What went wrong, line by line?",
            description="Requests and pulls that failed, and what is told beside requests, pulls and tunnels.",
            unit="short",
            queries=(Query(f'{LINES} | event!~"request|pull|tunnel" or {FAILED} or pull="failed"', ""),),
            height=12,
        ),
        LogLines(
            title="Which pulls took long?",
            description="Whole pulls that took half a minute and more.",
            unit="short",
            queries=(Query(f"{PULLS} | milliseconds>=30000", ""),),
            height=12,
        ),
    ),
)
LOGS = Board(
    name="logs",
    title="regproxy / Logs",
    description="What the log tells that metrics cannot: repositories, tags and clients. Needs Loki.",
    rows=(WHO, TROUBLE),
    logs=True,
)
