"""For each alert: series under which it fires, what it says then, and series under which it must be quiet.

Series are of job `regproxy`, instance `a`, with a sample each `step`, in promtool's notation: `0+6x30` begins at 0 and
grows by 6, thirty times. What a story does not name is not there. Rules are worked out each `step` until `at`.
"""

from dataclasses import dataclass

Series = dict[str, str]


@dataclass(frozen=True, slots=True)
class Story:
    """One alert; `value` and `labels` are what its notification is made of."""

    alert: str
    fires: Series
    says: str
    labels: dict[str, str]
    quiet: Series
    at: str = "2h"
    step: str = "1m"


HUB = 'registry="docker.io"'


def between(histogram: str, low: str, high: str, labels: str = "") -> tuple[Series, Series]:
    """Samples of a histogram whose observations all lie between two buckets, and of one where they lie below both."""
    lead = f"{labels}," if labels else ""
    above = {f'{histogram}_bucket{{{lead}le="{le}"}}': "0+6x200" for le in (high, "+Inf")}
    above[f"{histogram}_count{{{labels}}}"] = "0+6x200"
    lowest = f'{histogram}_bucket{{{lead}le="{low}"}}'
    return above | {lowest: "0x200"}, above | {lowest: "0+6x200"}


SLOW, QUICK = between("regproxy_upstream_first_byte_seconds", "5", "10", HUB)
OLD, YOUNG = between("regproxy_cache_stale_served_age_seconds", "86400", "172800")
LATE, PUNCTUAL = between("regproxy_event_loop_lag_seconds", "0.25", "0.5", 'process="core"')

STORIES = (
    Story(
        "RegproxyDown",
        {"up": "0x200"},
        "a has not answered Prometheus for 5 minutes. Nodes that use it as their proxy cannot pull images.",
        {"instance": "a"},
        {"up": "1x200"},
    ),
    Story(
        "RegproxyClientErrorsHigh",
        {
            f'regproxy_http_requests_total{{{HUB},code="502"}}': "0+6x200",
            f'regproxy_http_requests_total{{{HUB},code="200"}}': "0+54x200",
        },
        "10% of the requests for docker.io end in a 5xx.",
        {"registry": "docker.io"},
        # Half of the requests fail, and there is one in two minutes.
        {
            f'regproxy_http_requests_total{{{HUB},code="502"}}': "0 0 1 1" + " 1" * 120,
            f'regproxy_http_requests_total{{{HUB},code="200"}}': "0 0 1 1" + " 1" * 120,
        },
    ),
    Story(
        "RegproxyPullsFail",
        {
            f'regproxy_pulls_total{{{HUB},outcome="failed"}}': "0+2x200",
            f'regproxy_pulls_total{{{HUB},outcome="hit"}}': "0+6x200",
        },
        "25% of the pulls from docker.io did not complete.",
        {"registry": "docker.io"},
        {
            f'regproxy_pulls_total{{{HUB},outcome="failed"}}': "0+1x200",
            f'regproxy_pulls_total{{{HUB},outcome="hit"}}': "0+60x200",
        },
    ),
    Story(
        "RegproxyClientsRateLimited",
        {f'regproxy_http_requests_total{{{HUB},code="429"}}': "0+6x200"},
        "docker.io limits us and there is no copy to serve; 100m requests a second fail.",
        {"registry": "docker.io"},
        {f'regproxy_http_requests_total{{{HUB},code="429"}}': "7x200"},
    ),
    Story(
        "RegproxyRateLimitAbsorbed",
        {
            f'regproxy_upstream_throttled_total{{{HUB},reason="pull_limit"}}': "0+6x200",
            f'regproxy_http_requests_total{{{HUB},code="429"}}': "0x200",
        },
        "docker.io answers 429; regproxy serves what it has instead.",
        {"registry": "docker.io"},
        {
            f'regproxy_upstream_throttled_total{{{HUB},reason="pull_limit"}}': "0+6x200",
            f'regproxy_http_requests_total{{{HUB},code="429"}}': "0+6x200",
        },
    ),
    Story(
        "RegproxyRateLimitNearlyExhausted",
        {
            f'regproxy_ratelimit_remaining_pulls{{{HUB},account="anonymous"}}': "5x200",
            f'regproxy_ratelimit_limit_pulls{{{HUB},account="anonymous"}}': "100x200",
            f'regproxy_ratelimit_observed_timestamp_seconds{{{HUB},account="anonymous"}}': "0+60x200",
        },
        "5% of the pulls of anonymous at docker.io are left in this window.",
        {"registry": "docker.io", "account": "anonymous"},
        # The registry last told ten minutes after the beginning.
        {
            f'regproxy_ratelimit_remaining_pulls{{{HUB},account="anonymous"}}': "5x200",
            f'regproxy_ratelimit_limit_pulls{{{HUB},account="anonymous"}}': "100x200",
            f'regproxy_ratelimit_observed_timestamp_seconds{{{HUB},account="anonymous"}}': "600x200",
        },
    ),
    Story(
        "RegproxyAccountHeldBack",
        {f'regproxy_ratelimit_retry_at_timestamp_seconds{{{HUB},account="anonymous"}}': "9000x200"},
        "docker.io wants no request of anonymous for another 30m 0s; what is not cached is refused.",
        {"registry": "docker.io", "account": "anonymous"},
        {f'regproxy_ratelimit_retry_at_timestamp_seconds{{{HUB},account="anonymous"}}': "0x200"},
    ),
    Story(
        "RegproxyUpstreamDown",
        {f"regproxy_upstream_up{{{HUB}}}": "0x200"},
        "Requests to docker.io have failed at once for 5 minutes; only what is cached can be pulled.",
        {"registry": "docker.io"},
        # It comes back every other minute.
        {f"regproxy_upstream_up{{{HUB}}}": " ".join("01" * 80)},
    ),
    Story(
        "RegproxyUpstreamSlow",
        SLOW,
        "10% of the answers of docker.io take longer than 9.5s to begin.",
        {"registry": "docker.io"},
        QUICK,
    ),
    Story(
        "RegproxyUpstreamSlotsExhausted",
        {"regproxy_upstream_queued_requests": "3x200"},
        "For 10 minutes at least 3 requests on a have had to wait before they could be sent.",
        {"instance": "a"},
        # Sometimes one waits.
        {"regproxy_upstream_queued_requests": "9 9 9 0 " * 40},
    ),
    Story(
        "RegproxyCredentialsRejected",
        {f"regproxy_credential_rejected_total{{{HUB}}}": "0+1x200"},
        "A credential for docker.io is rejected, or its helper has none; pulls of private images fail, "
        "others count against the anonymous limit.",
        {"registry": "docker.io"},
        {f"regproxy_credential_rejected_total{{{HUB}}}": "7x200"},
    ),
    Story(
        "RegproxyHitRatioDropped",
        {
            'regproxy_cache_requests_total{kind="blob",outcome="hit"}': "0+90x150 13500x50",
            'regproxy_cache_requests_total{kind="blob",outcome="miss"}': "0+10x150 1500+90x50",
        },
        "Only 0% of the requests are served from the cache.",
        {},
        # As bad as it has always been.
        {
            'regproxy_cache_requests_total{kind="blob",outcome="hit"}': "0+10x200",
            'regproxy_cache_requests_total{kind="blob",outcome="miss"}': "0+90x200",
        },
        at="27h",
        step="10m",
    ),
    Story(
        "RegproxyCacheChurn",
        {
            "regproxy_cache_refetched_bytes_total": "0+300x200",
            'regproxy_cache_filled_bytes_total{kind="blob"}': "0+1000x200",
        },
        "30% of the bytes that a stored had been evicted shortly before.",
        {"instance": "a"},
        {
            "regproxy_cache_refetched_bytes_total": "0+100x200",
            'regproxy_cache_filled_bytes_total{kind="blob"}': "0+1000x200",
        },
        at="3h",
    ),
    Story(
        "RegproxyStaleServedLong",
        OLD,
        "1% of the stale answers are older than 1d 23h 45m 36s; what was fixed upstream since does not reach clients.",
        {},
        YOUNG,
    ),
    Story(
        "RegproxyCacheDiskAlmostFull",
        {
            "regproxy_cache_filesystem_avail_bytes": "4000x200",
            "regproxy_cache_filesystem_size_bytes": "100000x200",
        },
        "4% of the filesystem is free on a, less than regproxy leaves free itself: something else fills it.",
        {"instance": "a"},
        {
            "regproxy_cache_filesystem_avail_bytes": "10000x200",
            "regproxy_cache_filesystem_size_bytes": "100000x200",
        },
    ),
    Story(
        "RegproxyStoreFailures",
        {'regproxy_store_failures_total{operation="write"}': "0+1x200"},
        "write fails on a; pulls go on without the disk, at the registry's cost.",
        {"instance": "a", "operation": "write"},
        {'regproxy_store_failures_total{operation="write"}': "5x200"},
    ),
    Story(
        "RegproxyIntegrityFailure",
        {'regproxy_cache_integrity_failures_total{kind="blob",where="upstream"}': "0x110 1x200"},
        "Bytes of a blob from upstream did not match their digest. They were thrown away; no client got them whole.",
        {"kind": "blob", "where": "upstream"},
        {'regproxy_cache_integrity_failures_total{kind="blob",where="upstream"}': "0x50 1x200"},
    ),
    Story(
        "RegproxyCaExpiresSoon",
        {"regproxy_ca_not_after_timestamp_seconds": "1735200x200"},
        "The CA expires in 20d 0h 0m 0s; every node must trust the next one before that.",
        {},
        # In 40 days; the last week has an alert of its own.
        {"regproxy_ca_not_after_timestamp_seconds": "3456000x200"},
    ),
    Story(
        "RegproxyCaExpiresNow",
        {"regproxy_ca_not_after_timestamp_seconds": "180000x200"},
        "The CA expires in 2d 0h 0m 0s; then pulls that should be intercepted are refused.",
        {},
        {"regproxy_ca_not_after_timestamp_seconds": "1735200x200"},
    ),
    Story(
        "RegproxyCaReloadFailed",
        {"regproxy_ca_last_reload_successful": "0x200"},
        "a goes on to sign with the CA that it had.",
        {"instance": "a"},
        {"regproxy_ca_last_reload_successful": "1x200"},
    ),
    Story(
        "RegproxyClientsDistrustCa",
        {'regproxy_client_tls_handshakes_total{result="unknown_ca"}': "0+1x200"},
        "Clients of a break off TLS with unknown_ca; none of their pulls work.",
        {"instance": "a"},
        {'regproxy_client_tls_handshakes_total{result="ok"}': "0+1x200"},
    ),
    Story(
        "RegproxyConnectsFail",
        {
            'regproxy_connect_requests_total{decision="failed"}': "0+3x200",
            'regproxy_connect_requests_total{decision="tunnel"}': "0+3x200",
        },
        "50% of the CONNECT requests on a were allowed and then failed.",
        {"instance": "a"},
        {
            'regproxy_connect_requests_total{decision="failed"}': "0+1x200",
            'regproxy_connect_requests_total{decision="intercept"}': "0+9x200",
        },
    ),
    Story(
        "RegproxyPolicyReloadFailed",
        {"regproxy_policy_last_reload_successful": "0x200"},
        "a goes on with the policy that it had.",
        {"instance": "a"},
        {"regproxy_policy_last_reload_successful": "1x200"},
    ),
    Story(
        "RegproxyPolicyResumed",
        {"regproxy_policy_resumed": "1x200"},
        "a was started with a policy file that it refused.",
        {"instance": "a"},
        {"regproxy_policy_resumed": "0x200"},
    ),
    Story(
        "RegproxyPoliciesDiffer",
        {'regproxy_policy_info{checksum="1"}': "1x200", 'regproxy_policy_info{checksum="2"}': "1x200"},
        "2 policies run in regproxy; a reload did not reach every instance.",
        {},
        # The other one ran until ten minutes ago.
        {'regproxy_policy_info{checksum="1"}': "1x109 stale", 'regproxy_policy_info{checksum="2"}': "1x200"},
    ),
    Story(
        "RegproxyEventLoopBlocked",
        LATE,
        "1% of the timers of core on a are late by 497.5ms.",
        {"instance": "a", "process": "core"},
        PUNCTUAL,
    ),
    Story(
        "RegproxyProcessSaturated",
        {'regproxy_cpu_seconds_total{process="edge-1"}': "0+57x200"},
        "edge-1 on a uses 95% of a CPU and cannot use more than one.",
        {"instance": "a", "process": "edge-1"},
        {'regproxy_cpu_seconds_total{process="edge-1"}': "0+30x200"},
    ),
    Story(
        "RegproxyDescriptorsLow",
        {"process_open_fds": "900x200", "process_max_fds": "1000x200"},
        "The core on a has 90% of its descriptors open; without one nothing can be fetched or opened.",
        {"instance": "a"},
        {"process_open_fds": "100x200", "process_max_fds": "1000x200"},
    ),
    Story(
        "RegproxyRestarts",
        {"process_start_time_seconds": "1x100 2x5 3x5 4x200"},
        "The core on a began 3 times in 30 minutes.",
        {"instance": "a"},
        {"process_start_time_seconds": "1x100 2x200"},
    ),
    Story(
        "RegproxyLogIncomplete",
        {"regproxy_log_dropped_lines_total": "0+60x200"},
        "a drops 1 log lines a second, because what reads them is too slow or gone.",
        {"instance": "a"},
        {"regproxy_log_dropped_lines_total": "0x200"},
    ),
)
