"""The fleet: every instance beside the others."""

from grafana.generator.panel import Board, Column, Graph, Query, Row, States, Table
from grafana.generator.promql import greatest, least, quantile, rate, ratio, seconds_since, series, total
from grafana.generator.words import CACHEABLE, SERVED

OK: States = ((1, "yes", "green"), (0, "no", "red"))
INSTANCES = Row(
    "Instances",
    (
        Table(
            title="How is each instance?",
            description="One row for each instance. Registries down: not asked, for they failed. Served: share of "
            "requests that cost no new fetch. Lag: how late 1% of the event loop's timers are. "
            "Policy: whether what the file says is what runs, and since when.",
            unit="short",
            height=7,
            rows=(("instance", "Instance"),),
            columns=(
                Column(name="Up", expression=greatest(series("up"), "instance"), unit="short", states=OK),
                Column(
                    name="Registries down",
                    expression=total(f"1 - {series('regproxy_upstream_up')}", "instance"),
                    unit="short",
                ),
                Column(
                    name="Requests",
                    expression=total(rate("regproxy_http_requests_total"), "instance"),
                    unit="reqps",
                ),
                Column(
                    name="Served",
                    expression=ratio(
                        total(rate("regproxy_cache_requests_total", CACHEABLE, SERVED), "instance"),
                        total(rate("regproxy_cache_requests_total", CACHEABLE), "instance"),
                    ),
                    unit="percentunit",
                ),
                Column(
                    name="Loop lag",
                    expression=quantile(0.99, "regproxy_event_loop_lag_seconds", "instance"),
                    unit="s",
                ),
                Column(
                    name="Memory", expression=total(series("regproxy_resident_memory_bytes"), "instance"), unit="bytes"
                ),
                Column(
                    name="Cache full",
                    expression=f"{total(series('regproxy_cache_bytes'), 'instance')}\n/ "
                    f"{total(series('regproxy_cache_limit_bytes'), 'instance')}",
                    unit="percentunit",
                ),
                Column(
                    name="Disk free",
                    expression=f"{least(series('regproxy_cache_filesystem_avail_bytes'), 'instance')}\n/ "
                    f"{greatest(series('regproxy_cache_filesystem_size_bytes'), 'instance')}",
                    unit="percentunit",
                ),
                Column(
                    name="Policy current",
                    expression=least(series("regproxy_policy_last_reload_successful"), "instance"),
                    unit="short",
                    states=OK,
                ),
                Column(
                    name="Policy age",
                    expression=seconds_since(
                        greatest(series("regproxy_policy_last_reload_success_timestamp_seconds"), "instance")
                    ),
                    unit="s",
                ),
                Column(
                    name="CA left",
                    expression=f"{least(series('regproxy_ca_not_after_timestamp_seconds'), 'instance')} - time()",
                    unit="s",
                ),
            ),
        ),
        Table(
            title="Which policy and version does each instance run?",
            description="One row for each instance and policy: all instances of a fleet should show the same checksum. "
            "Last good: the policy file did not load at start, so the last good one runs.",
            unit="short",
            height=7,
            rows=(
                ("instance", "Instance"),
                ("version", "Version"),
                ("python", "Python"),
                ("libcurl", "libcurl"),
                ("openssl", "OpenSSL"),
                ("checksum", "Policy"),
            ),
            columns=(
                Column(
                    name="Last good",
                    expression=greatest(series("regproxy_policy_resumed"), "instance")
                    + f"\n* on (instance) group_left (checksum) {series('regproxy_policy_info')}"
                    + "\n* on (instance) group_left (version, python, libcurl, openssl) "
                    + series("regproxy_build_info"),
                    unit="short",
                    states=((0, "no", "green"), (1, "yes", "orange")),
                ),
            ),
        ),
    ),
)
COMPARED = Row(
    "Compared",
    (
        Graph(
            title="Is the load spread?",
            description="Requests per second of each instance.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_http_requests_total"), "instance"), "{{instance}}"),),
        ),
        Graph(
            title="Does each cache serve as much?",
            description="Share of requests for manifests, blobs and lists that cost no new fetch.",
            unit="percentunit",
            queries=(
                Query(
                    ratio(
                        total(rate("regproxy_cache_requests_total", CACHEABLE, SERVED), "instance"),
                        total(rate("regproxy_cache_requests_total", CACHEABLE), "instance"),
                    ),
                    "{{instance}}",
                ),
            ),
            most=1,
        ),
        Graph(
            title="Who fails its clients?",
            description="Answers 5xx and 429 per second of each instance.",
            unit="reqps",
            queries=(
                Query(total(rate("regproxy_http_requests_total", 'code=~"5..|429"'), "instance"), "{{instance}}"),
            ),
        ),
        Graph(
            title="How much does each instance download?",
            description="Bytes per second from upstreams.",
            unit="Bps",
            queries=(Query(total(rate("regproxy_upstream_received_bytes_total"), "instance"), "{{instance}}"),),
        ),
        Graph(
            title="How much does each instance hold?",
            description="Bytes of content on disk.",
            unit="bytes",
            queries=(Query(total(series("regproxy_cache_bytes"), "instance"), "{{instance}}"),),
        ),
        Graph(
            title="Which event loop is held up?",
            description="How late 1% of the timers of an instance's processes are at least.",
            unit="s",
            queries=(Query(quantile(0.99, "regproxy_event_loop_lag_seconds", "instance"), "{{instance}}"),),
        ),
    ),
)
FLEET = Board(
    name="fleet",
    title="regproxy / Fleet",
    description="Every instance beside the others: which one is different?",
    rows=(INSTANCES, COMPARED),
)
