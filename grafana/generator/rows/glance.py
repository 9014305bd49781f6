"""At a glance: is anything wrong now, and what is gained?"""

from grafana.generator.panel import Number, Query, Row
from grafana.generator.promql import INSTANCES, REGISTRY, growth, least, ratio, series, total
from grafana.generator.words import CACHEABLE, SAVED, SERVED, THROTTLED

GLANCE = Row(
    "At a glance",
    (
        Number(
            title="How many are down?",
            description="Instances that Prometheus cannot scrape. Nodes that use them as their proxy cannot pull.",
            unit="short",
            queries=(Query(f"count(up{{{INSTANCES}}} == 0) or vector(0)", "down"),),
            steps=((1, "red"),),
        ),
        Number(
            title="How much is from cache?",
            description="Share of requests for manifests, blobs and lists, in the time shown, that cost no new fetch: "
            "hits, revalidated and stale answers, and requests that joined the fetch of another.",
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
            description="Of the account that has fewest left, as the registry last told. "
            "Registries that tell nothing count no pulls.",
            unit="short",
            queries=(Query(least(series("regproxy_ratelimit_remaining_pulls", REGISTRY)), "left"),),
            first="red",
            steps=((10, "orange"), (25, "green")),
            empty="never told",
        ),
        Number(
            title="How many 429s to clients?",
            description="Answers 429 to clients in the time shown: pulls that failed because of a limit.",
            unit="short",
            queries=(Query(total(growth("regproxy_http_requests_total", REGISTRY, THROTTLED)), "429"),),
            steps=((1, "red"),),
        ),
        Number(
            title="How many 429s absorbed?",
            description="Requests in the time shown that were answered with a stale copy "
            "because the registry limits us: pulls that worked in spite of a limit.",
            unit="short",
            queries=(
                Query(
                    total(growth("regproxy_cache_stale_served_total", REGISTRY, 'reason="rate_limited"')), "absorbed"
                ),
            ),
            first="blue",
        ),
        Number(
            title="How many bytes saved?",
            description="Bytes sent to clients in the time shown that came from the disk "
            "or from a fetch that was under way anyway.",
            unit="bytes",
            queries=(Query(total(growth("regproxy_response_bytes_total", REGISTRY, SAVED)), "saved"),),
            first="blue",
        ),
    ),
)
