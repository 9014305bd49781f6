"""Cache: is it large enough, and is it healthy?"""

from grafana.generator.panel import PER_MINUTE, Graph, Query, Row
from grafana.generator.promql import (
    REGISTRY,
    least,
    occurring,
    per_minute,
    quantile,
    rate,
    ratio,
    seconds_since,
    series,
    total,
)
from grafana.generator.words import CACHEABLE, OUTCOMES, REASONS, SERVED

CACHE = Row(
    "Cache",
    (
        Graph(
            title="How does the cache answer?",
            description="Requests for manifests, blobs and lists per second, by outcome.",
            unit="reqps",
            queries=(
                Query(occurring("regproxy_cache_requests_total", REGISTRY, CACHEABLE, by=("outcome",)), "{{outcome}}"),
            ),
            stacked=True,
            colours=OUTCOMES,
        ),
        Graph(
            title="How much of each registry does the cache serve?",
            description="Share of requests for manifests, blobs and lists that cost no new fetch.",
            unit="percentunit",
            queries=(
                Query(
                    ratio(
                        total(rate("regproxy_cache_requests_total", REGISTRY, CACHEABLE, SERVED), "registry"),
                        total(rate("regproxy_cache_requests_total", REGISTRY, CACHEABLE), "registry"),
                    ),
                    "{{registry}}",
                ),
            ),
            most=1,
        ),
        Graph(
            title="Why are stale copies served?",
            description="Stale answers per second, by what kept us from a fresh one.",
            empty="none",
            unit="reqps",
            queries=(Query(occurring("regproxy_cache_stale_served_total", REGISTRY, by=("reason",)), "{{reason}}"),),
            stacked=True,
            colours=REASONS,
        ),
        Graph(
            title="How old are the stale copies?",
            description="Time since their freshness ended, for half and 99% of stale answers. "
            "A copy that is served for days hides what was fixed since.",
            unit="s",
            queries=tuple(
                Query(quantile(share, "regproxy_cache_stale_served_age_seconds"), f"p{share * 100:.0f}")
                for share in (0.5, 0.99)
            ),
            colours={"p50": "yellow", "p99": "red"},
        ),
        Graph(
            title="How full is the cache?",
            description="Bytes of content on disk and set aside for fetches, against the policy's limit. "
            "What is pinned leaves last, and takes half of the limit at most.",
            unit="bytes",
            queries=(
                Query(total(series("regproxy_cache_bytes")), "content"),
                Query(total(series("regproxy_cache_reserved_bytes")), "set aside"),
                Query(total(series("regproxy_cache_pinned_bytes")), "pinned"),
                Query(total(series("regproxy_cache_limit_bytes")), "limit"),
            ),
            colours={"content": "blue", "set aside": "light-blue", "pinned": "purple", "limit": "red"},
            bounds="limit",
        ),
        Graph(
            title="How many contents are stored or coming?",
            description="Verified manifests and blobs on disk, and downloads that fill the cache now.",
            unit="short",
            queries=(
                Query(total(series("regproxy_cache_objects")), "contents"),
                Query(total(series("regproxy_cache_fills_in_flight")), "fills in flight"),
            ),
        ),
        Graph(
            title="Does what was evicted come back?",
            description="Bytes per second that were stored, that were evicted, and that were fetched again soon after "
            "their eviction. Much of the last means that the cache is too small.",
            unit="Bps",
            queries=(
                Query(total(rate("regproxy_cache_filled_bytes_total")), "stored"),
                Query(total(rate("regproxy_prefetched_bytes_total")), "of it prefetched"),
                Query(total(rate("regproxy_cache_evicted_bytes_total")), "evicted"),
                Query(total(rate("regproxy_cache_refetched_bytes_total")), "fetched again"),
            ),
            colours={"stored": "green", "evicted": "yellow", "fetched again": "red"},
        ),
        Graph(
            title="Why is content evicted?",
            description="Contents per second. size: the limit; min-free: the filesystem; inactive: unused for too "
            "long; damaged: the disk gave back other bytes.",
            empty="nothing is",
            unit="ops",
            queries=(Query(occurring("regproxy_cache_evicted_objects_total", by=("reason",)), "{{reason}}"),),
            stacked=True,
            colours={"size": "yellow", "min-free": "orange", "inactive": "blue", "damaged": "red"},
        ),
        Graph(
            title="How far back does the cache reach?",
            description="Time since the content that goes next was last used. "
            "When this falls below the time between two uses of an image, the image is fetched each time.",
            unit="s",
            queries=(Query(seconds_since(series("regproxy_cache_oldest_access_timestamp_seconds")), "{{instance}}"),),
        ),
        Graph(
            title="How much of the disk is free?",
            description="Share of the cache's filesystem that we could still use; min-free keeps some of it.",
            unit="percentunit",
            queries=(
                Query(
                    f"{least(series('regproxy_cache_filesystem_avail_bytes'), 'instance')}\n/ "
                    f"{least(series('regproxy_cache_filesystem_size_bytes'), 'instance')}",
                    "{{instance}}",
                ),
            ),
            most=1,
        ),
        Graph(
            title="Does the disk refuse?",
            description="Operations of the store per second that failed. Pulls go on without the disk.",
            empty="none",
            unit="ops",
            queries=(Query(occurring("regproxy_store_failures_total", by=("operation",)), "{{operation}}"),),
        ),
        Graph(
            title="Do bytes match their digests?",
            description="Bodies per minute that did not hash to their digest and were thrown away. "
            "upstream: what a registry sent; disk: what we had stored.",
            empty="none",
            unit=PER_MINUTE,
            queries=(
                Query(
                    per_minute(occurring("regproxy_cache_integrity_failures_total", by=("where", "kind"))),
                    "{{where}}: {{kind}}",
                ),
            ),
        ),
    ),
)
