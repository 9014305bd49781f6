"""One registry: what clients ask of it, what it answers, and what its accounts have left."""

from grafana.generator.panel import Board, Graph, Number, Query, Row
from grafana.generator.promql import REGISTRY, greatest, growth, least, occurring, quantile, rate, ratio, series, total
from grafana.generator.words import CACHEABLE, CODES, OUTCOMES, PULLS, REASONS, SAVED, SERVED, SOURCES, THROTTLED

NOW = Row(
    "Now",
    (
        Number(
            title="Is the registry asked?",
            description="no: requests fail at once, because too many failed in a row.",
            unit="short",
            queries=(Query(least(series("regproxy_upstream_up", REGISTRY)), "up"),),
            first="red",
            steps=((1, "green"),),
            states=((1, "yes", "green"), (0, "no", "red")),
            empty="not in the policy",
        ),
        Number(
            title="How much is from cache?",
            description="Share of requests for manifests, blobs and lists, in the time shown, that cost no new fetch.",
            unit="percentunit",
            queries=(
                Query(
                    ratio(
                        total(growth("regproxy_cache_requests_total", REGISTRY, CACHEABLE, SERVED)),
                        total(growth("regproxy_cache_requests_total", REGISTRY, CACHEABLE)),
                    ),
                    "served",
                ),
            ),
            first="orange",
            steps=((0.5, "yellow"), (0.8, "green")),
            empty="no requests",
        ),
        Number(
            title="How many pulls are left?",
            description="Of the account that has fewest left, as the registry last told.",
            unit="short",
            queries=(Query(least(series("regproxy_ratelimit_remaining_pulls", REGISTRY)), "left"),),
            first="red",
            steps=((10, "orange"), (25, "green")),
            empty="never told",
        ),
        Number(
            title="How many pulls saved?",
            description="Manifests served in the time shown that would have counted against the registry's limit.",
            unit="short",
            queries=(Query(total(growth("regproxy_ratelimit_saved_pulls_total", REGISTRY)), "saved"),),
            first="blue",
        ),
        Number(
            title="How many 429s to clients?",
            description="Answers 429 to clients in the time shown.",
            unit="short",
            queries=(Query(total(growth("regproxy_http_requests_total", REGISTRY, THROTTLED)), "429"),),
            steps=((1, "red"),),
        ),
        Number(
            title="How many bytes saved?",
            description="Bytes sent to clients in the time shown that the registry did not have to send for them.",
            unit="bytes",
            queries=(Query(total(growth("regproxy_response_bytes_total", REGISTRY, SAVED)), "saved"),),
            first="blue",
        ),
    ),
)
CLIENTS = Row(
    "What clients see",
    (
        Graph(
            title="How does the cache answer for this registry?",
            description="Requests for manifests, blobs and lists per second, by outcome.",
            unit="reqps",
            queries=(
                Query(occurring("regproxy_cache_requests_total", REGISTRY, CACHEABLE, by=("outcome",)), "{{outcome}}"),
            ),
            stacked=True,
            colours=OUTCOMES,
        ),
        Graph(
            title="What are its clients answered?",
            description="Requests per second, by the code of the answer.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_http_requests_total", REGISTRY), "code"), "{{code}}"),),
            stacked=True,
            colours=CODES,
        ),
        Graph(
            title="Where do its bytes come from?",
            description="Bytes of bodies sent to clients per second, by where they came from.",
            unit="Bps",
            queries=(Query(total(rate("regproxy_response_bytes_total", REGISTRY), "source"), "{{source}}"),),
            stacked=True,
            colours=SOURCES,
        ),
        Graph(
            title="Which kinds of requests does the cache serve?",
            description="Share of requests that cost no new fetch, by kind. Blobs should be near 1.",
            unit="percentunit",
            queries=(
                Query(
                    ratio(
                        total(rate("regproxy_cache_requests_total", REGISTRY, CACHEABLE, SERVED), "kind"),
                        total(rate("regproxy_cache_requests_total", REGISTRY, CACHEABLE), "kind"),
                    ),
                    "{{kind}}",
                ),
            ),
            most=1,
        ),
        Graph(
            title="Why are its stale copies served?",
            description="Stale answers per second, by what kept us from a fresh one.",
            empty="none",
            unit="reqps",
            queries=(Query(occurring("regproxy_cache_stale_served_total", REGISTRY, by=("reason",)), "{{reason}}"),),
            stacked=True,
            colours=REASONS,
        ),
        Graph(
            title="Do whole pulls from it work?",
            description="Pulls of images per second, by how they ended.",
            unit="ops",
            queries=(Query(total(rate("regproxy_pulls_total", REGISTRY), "outcome"), "{{outcome}}"),),
            stacked=True,
            colours=PULLS,
        ),
    ),
)
UPSTREAM = Row(
    "What the registry does",
    (
        Graph(
            title="What does it answer, and to what?",
            description="Requests to the registry per second, by purpose and code; none: no answer came.",
            unit="reqps",
            queries=(
                Query(
                    total(rate("regproxy_upstream_requests_total", REGISTRY), "purpose", "code"), "{{purpose}} {{code}}"
                ),
            ),
            stacked=True,
            colours={f".* {code}": colour for code, colour in CODES.items()},
        ),
        Graph(
            title="How long does it take to answer?",
            description="Time to the first byte of 90% of its answers, by purpose.",
            unit="s",
            queries=(
                Query(
                    quantile(0.9, "regproxy_upstream_first_byte_seconds", "purpose", matchers=(REGISTRY,)),
                    "{{purpose}}",
                ),
            ),
        ),
        Graph(
            title="How does it fail?",
            description="Requests per second that got no usable answer, and those that were sent once more.",
            empty="none",
            unit="reqps",
            queries=(
                Query(occurring("regproxy_upstream_failures_total", REGISTRY, by=("reason",)), "failed: {{reason}}"),
                Query(
                    occurring("regproxy_upstream_retries_total", REGISTRY, by=("reason",)),
                    "tried again: {{reason}}",
                ),
            ),
        ),
        Graph(
            title="How does it limit us?",
            description="Its answers 429 per second, by the limit that they are about.",
            empty="it does not",
            unit="reqps",
            queries=(Query(occurring("regproxy_upstream_throttled_total", REGISTRY, by=("reason",)), "{{reason}}"),),
        ),
        Graph(
            title="What has each of our accounts left?",
            description="Share of the allowance that is left, as the registry last told.",
            unit="percentunit",
            queries=(
                Query(
                    f"{least(series('regproxy_ratelimit_remaining_pulls', REGISTRY), 'account')}\n/ "
                    f"{greatest(series('regproxy_ratelimit_limit_pulls', REGISTRY), 'account')}",
                    "{{account}}",
                ),
            ),
            most=1,
        ),
        Graph(
            title="Which account pays?",
            description="Pulls per hour that count against the limit, by account.",
            unit="short",
            queries=(
                Query(
                    f"3600 * {total(rate('regproxy_ratelimit_spent_pulls_total', REGISTRY), 'account')}", "{{account}}"
                ),
            ),
            stacked=True,
        ),
        Graph(
            title="How much does it send us?",
            description="Bytes of bodies per second, by purpose.",
            unit="Bps",
            queries=(Query(total(rate("regproxy_upstream_received_bytes_total", REGISTRY), "purpose"), "{{purpose}}"),),
            stacked=True,
        ),
        Graph(
            title="Does it accept our credentials?",
            description="Requests for tokens per second, by how they ended.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_upstream_token_requests_total", REGISTRY), "result"), "{{result}}"),),
            colours={"ok": "green", "denied": "red", "error": "orange"},
        ),
    ),
)
REGISTRY_BOARD = Board(
    name="registry",
    title="regproxy / Registry",
    description="One registry: what its clients see, what it answers, and what its accounts have left.",
    rows=(NOW, CLIENTS, UPSTREAM),
    single=True,
)
