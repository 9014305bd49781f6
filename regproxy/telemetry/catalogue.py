"""The catalogue: every metric there is, one row each; `docs/metrics.md` is made from it."""

from regproxy.telemetry import labels as by
from regproxy.telemetry.metric import Metric

KIB = 1024
FIRST_BYTE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LAG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# A minute to a month.
STALENESS = (60.0, 300.0, 900.0, 3600.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0, 2592000.0)
TRANSFER = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
SIZES = tuple(float(KIB * 4**power) for power in range(12))  # 1 KiB to 4 GiB

CLIENTS = (
    Metric(
        "http_requests",
        "counter",
        "Requests of clients on intercepted connections, counted when their answer ends.",
        (by.REGISTRY, by.KIND, by.METHOD, by.CODE),
        known_later=True,
    ),
    Metric(
        "http_first_byte_seconds",
        "histogram",
        "From a request's head to the first byte of its answer: what a pull feels.",
        (by.KIND, by.OUTCOME),
        FIRST_BYTE,
        known_later=True,
    ),
    Metric(
        "http_transfer_seconds",
        "histogram",
        "From a request's head to the end of its answer; size and client count, too.",
        (by.KIND,),
        TRANSFER,
    ),
    Metric("http_response_size_bytes", "histogram", "Bytes of the bodies of answers.", (by.KIND,), SIZES),
    Metric(
        "response_bytes",
        "counter",
        "Bytes of bodies to clients: from the cache, from a transfer that another request began, from one of their "
        "own, or the proxy's own words.",
        (by.REGISTRY, by.KIND, by.SOURCE),
    ),
    Metric("http_requests_in_flight", "gauge", "Requests that are being answered."),
    Metric("http_client_aborts", "counter", "Answers that clients did not wait for.", (by.KIND,)),
    Metric(
        "pulls",
        "counter",
        "Pulls of images by clients: all from the cache, in part, not at all, or with a request that failed.",
        (by.REGISTRY, by.PULL),
    ),
    Metric("connect_requests", "counter", "CONNECT requests by what became of them.", (by.DECISION,)),
    Metric("tunnel_bytes", "counter", "Bytes through blind tunnels, as the client sees them.", (by.DIRECTION,)),
    Metric(
        "client_tls_handshakes",
        "counter",
        "TLS handshakes of clients by how they ended; unknown_ca: the client does not trust the proxy's CA.",
        (by.HANDSHAKE,),
    ),
    Metric(
        "busiest_client_share",
        "gauge",
        "Share of the last thousand requests that came from one address: near 1, it may be a gateway's.",
    ),
    Metric(
        "client_connections", "gauge", "Connections of clients, those that wait for a request apart.", (by.CONNECTION,)
    ),
    Metric(
        "client_connections_turned_away",
        "counter",
        "Connections closed for want of room: of an address that has its share; idle ones, for others to have room; of "
        "balancers or TLS while too many are preparing.",
        (by.TURNED_AWAY,),
    ),
    Metric("client_waits", "counter", "Tenths of a second in which nobody was let in, for there was no room."),
)

CACHE = (
    Metric(
        "cache_requests",
        "counter",
        "Requests by how the cache answered them, in the words of the log and of Cache-Status.",
        (by.REGISTRY, by.KIND, by.OUTCOME),
    ),
    Metric(
        "cache_stale_served",
        "counter",
        "Answers served stale, by what kept them from being fresh; client: it takes stale answers.",
        (by.REGISTRY, by.STALENESS),
    ),
    Metric(
        "cache_stale_served_age_seconds",
        "histogram",
        "How long ago the freshness of answers served stale had ended.",
        (),
        STALENESS,
    ),
    Metric("cache_bytes", "gauge", "Bytes that content takes on disk."),
    Metric("cache_reserved_bytes", "gauge", "Bytes set aside for what is being fetched."),
    Metric("cache_pinned_bytes", "gauge", "Bytes of it that tiers pin; half of the limit at most."),
    Metric("cache_objects", "gauge", "Pieces of content on disk."),
    Metric("cache_limit_bytes", "gauge", "The size limit of the cache."),
    Metric("cache_filled_bytes", "counter", "Bytes of verified content stored.", (by.KIND,)),
    Metric(
        "prefetched_bytes",
        "counter",
        "Bytes fetched behind manifests, before a client asked for them (`prefetch on`).",
        (by.REGISTRY,),
    ),
    Metric("cache_evicted_bytes", "counter", "Bytes of content that left the cache.", (by.EVICTION,)),
    Metric("cache_evicted_objects", "counter", "Pieces of content that left the cache.", (by.EVICTION,)),
    Metric(
        "cache_integrity_failures",
        "counter",
        "Bodies that are not what their digest says: from an upstream, or on disk, where their kind is not known.",
        (by.KIND, by.WHERE),
    ),
    Metric(
        "cache_refetched_bytes",
        "counter",
        "Bytes stored of content that had left the cache a short while ago: it is too small.",
    ),
    Metric(
        "cache_oldest_access_timestamp_seconds",
        "gauge",
        "When the content that nobody has used for the longest was last used.",
        known_later=True,
    ),
    Metric("cache_fills_in_flight", "gauge", "Transfers of blobs into the cache."),
    Metric("cache_filesystem_avail_bytes", "gauge", "Bytes free on the cache's file system.", known_later=True),
    Metric("cache_filesystem_size_bytes", "gauge", "Size of the cache's file system.", known_later=True),
    Metric("store_failures", "counter", "Times that the disk refused; the pull goes on without it.", (by.OPERATION,)),
)

UPSTREAM = (
    Metric(
        "upstream_requests",
        "counter",
        "Requests sent to upstreams; code none: no answer came.",
        (by.REGISTRY, by.PURPOSE, by.METHOD, by.CODE),
        known_later=True,
    ),
    Metric(
        "upstream_first_byte_seconds",
        "histogram",
        "From sending a request to the head of its answer.",
        (by.REGISTRY, by.PURPOSE),
        FIRST_BYTE,
        known_later=True,
    ),
    Metric(
        "upstream_retries",
        "counter",
        "Requests sent once more, for nothing of them was sent.",
        (by.REGISTRY, by.FAILURE),
    ),
    Metric("upstream_slots", "gauge", "Requests that may be under way at once, by whether they are.", (by.SLOT,)),
    Metric("upstream_queued_requests", "gauge", "Requests that wait for one of these."),
    Metric("upstream_received_bytes", "counter", "Bytes of bodies from upstreams.", (by.REGISTRY, by.PURPOSE)),
    Metric("upstream_failures", "counter", "Requests to upstreams without a usable answer.", (by.REGISTRY, by.FAILURE)),
    Metric(
        "upstream_throttled",
        "counter",
        "Answers 429 from upstreams: a limit on pulls, on requests, or to a client's own credential.",
        (by.REGISTRY, by.THROTTLE),
    ),
    Metric(
        "upstream_token_requests", "counter", "Requests to the token services of registries.", (by.REGISTRY, by.TOKEN)
    ),
    Metric(
        "credential_rejected",
        "counter",
        "Refusals of credentials that the policy lends, by a registry or its token service; then they rest for 30 s.",
        (by.REGISTRY,),
    ),
    Metric(
        "credential_helper_failures",
        "counter",
        "Times that a credential helper of the policy was asked and gave no login; it is asked again after 10 s.",
        (by.REGISTRY,),
    ),
    Metric("upstream_up", "gauge", "0 while an authority of the registry is not asked, for it failed.", (by.REGISTRY,)),
    Metric(
        "upstream_last_success_timestamp_seconds",
        "gauge",
        "When the registry last gave a usable answer.",
        (by.REGISTRY,),
        known_later=True,
    ),
)

_ALLOWANCE = (by.REGISTRY, by.ACCOUNT)
RATE_LIMITS = (
    Metric(
        "ratelimit_limit_pulls", "gauge", "Pulls in a window, as the registry last said.", _ALLOWANCE, known_later=True
    ),
    Metric(
        "ratelimit_remaining_pulls", "gauge", "Pulls left, as the registry last said.", _ALLOWANCE, known_later=True
    ),
    Metric(
        "ratelimit_observed_timestamp_seconds",
        "gauge",
        "When the registry last said what is left.",
        _ALLOWANCE,
        known_later=True,
    ),
    Metric("ratelimit_window_seconds", "gauge", "The seconds in which the limit counts.", _ALLOWANCE, known_later=True),
    Metric(
        "ratelimit_retry_at_timestamp_seconds",
        "gauge",
        "Until when an account is not asked after a 429, 0 when it is; all: no request is sent.",
        _ALLOWANCE,
        known_later=True,
    ),
    Metric(
        "ratelimit_spent_pulls",
        "counter",
        "Answers to requests that registries count: GETs of manifests. Callers' own logins are one account, own.",
        _ALLOWANCE,
        known_later=True,
    ),
    Metric(
        "ratelimit_saved_pulls",
        "counter",
        "GETs of manifests that were answered without one: what clients alone would have spent.",
        (by.REGISTRY,),
    ),
)

POLICY = (
    Metric("policy_decisions", "counter", "Requests by the tier that decided them.", (by.TIER,)),
    Metric(
        "policy_info",
        "gauge",
        "1 for the policy that runs, by the SHA-256 of its texts.",
        (by.CHECKSUM,),
        known_later=True,
    ),
    Metric(
        "credential_lent_to_any",
        "gauge",
        "1 for a registry with a credential that every client may use (`clients any`).",
        (by.REGISTRY,),
        known_later=True,
    ),
    Metric("policy_resumed", "gauge", "1 while the last good policy runs because the policy file did not load."),
    Metric("policy_last_reload_successful", "gauge", "Whether what the policy file says is what runs."),
    Metric(
        "policy_last_reload_success_timestamp_seconds",
        "gauge",
        "When the policy file was last loaded.",
        known_later=True,
    ),
    Metric("policy_reloads", "counter", "Reloads of the policy.", (by.RELOAD,)),
    Metric("policy_reload_duration_seconds", "histogram", "How long reloads took.", (), TRANSFER),
)

AUTHORITY = (
    Metric("ca_not_after_timestamp_seconds", "gauge", "When the CA that signs ends, its chain included."),
    Metric("ca_last_reload_successful", "gauge", "Whether what the CA's files hold is in force."),
    Metric("leaf_certificates_minted", "counter", "Certificates made for hosts."),
    Metric("ca_reloads", "counter", "Reloads of the CA's files.", (by.RELOAD,)),
    Metric("ca_fetches", "counter", "Times that /ca.crt was handed out."),
)

PROCESS = (
    Metric("build_info", "gauge", "1 for the versions that run.", by.BUILD, known_later=True),
    Metric(
        "event_loop_lag_seconds",
        "histogram",
        "How late the event loop of a process of ours is, looked at four times a second.",
        (by.PROCESS,),
        LAG,
        known_later=True,
    ),
    Metric("cpu_seconds", "counter", "CPU that a process of ours took.", (by.PROCESS,), known_later=True),
    Metric("resident_memory_bytes", "gauge", "Memory of a process of ours.", (by.PROCESS,), known_later=True),
    Metric("log_dropped_lines", "counter", "Log lines that could not be written."),
    Metric("scrape_seconds", "gauge", "How long the last scrape of this page took."),
)

GROUPS = {
    "Clients": CLIENTS,
    "Cache": CACHE,
    "Upstreams": UPSTREAM,
    "Rate limits": RATE_LIMITS,
    "Policy": POLICY,
    "CA": AUTHORITY,
    "Process": PROCESS,
}
CATALOGUE = tuple(metric for group in GROUPS.values() for metric in group)
