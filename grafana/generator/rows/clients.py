"""Clients: what they ask for, what they get, and how long they wait."""

from grafana.generator.panel import Graph, Heatmap, Query, Row
from grafana.generator.promql import REGISTRY, occurring, quantile, rate, series, total
from grafana.generator.words import CODES, OUTCOMES, PULLS, SOURCES

CLIENTS = Row(
    "Clients",
    (
        Graph(
            title="What do clients ask for?",
            description="Requests per second, by what they are for, counted when the answer ends.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_http_requests_total", REGISTRY), "kind"), "{{kind}}"),),
            stacked=True,
        ),
        Graph(
            title="What are clients answered?",
            description="Requests per second, by the code of the answer. 401 is how a login begins; "
            "429 and 5xx are pulls that fail.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_http_requests_total", REGISTRY), "code"), "{{code}}"),),
            stacked=True,
            colours=CODES,
        ),
        Graph(
            title="Do whole pulls work?",
            description="Pulls of images per second: manifests, config and layers of one client joined. hit: all from "
            "the cache; partial: in part; miss: nothing; failed: with a request that failed.",
            unit="ops",
            queries=(Query(total(rate("regproxy_pulls_total", REGISTRY), "outcome"), "{{outcome}}"),),
            stacked=True,
            colours=PULLS,
        ),
        Graph(
            title="How long do clients wait for the first byte?",
            description="Time from a request's head to the first byte of its answer, for half, 90% and 99% of them.",
            unit="s",
            queries=tuple(
                Query(quantile(share, "regproxy_http_first_byte_seconds"), f"p{share * 100:.0f}")
                for share in (0.5, 0.9, 0.99)
            ),
            colours={"p50": "green", "p90": "yellow", "p99": "red"},
        ),
        Graph(
            title="Which outcome do clients wait for?",
            description="Time to the first byte for 99% of requests, by how the cache answered them. "
            "Hits should take milliseconds; misses take what the upstream takes.",
            unit="s",
            queries=(Query(quantile(0.99, "regproxy_http_first_byte_seconds", "outcome"), "{{outcome}}"),),
            colours=OUTCOMES,
        ),
        Heatmap(
            title="How are the waits spread?",
            description="Requests by their time to the first byte. Two bands are normal: hits below, misses above.",
            unit="short",
            queries=(Query(total(rate("regproxy_http_first_byte_seconds_bucket"), "le"), "{{le}}"),),
        ),
        Graph(
            title="Where do the bytes come from?",
            description="Bytes of bodies sent to clients per second. Cache: from the disk; fill: from a fetch that "
            "another request began; upstream: fetched for this request; proxy: our own words.",
            unit="Bps",
            queries=(Query(total(rate("regproxy_response_bytes_total", REGISTRY), "source"), "{{source}}"),),
            stacked=True,
            colours=SOURCES,
        ),
        Graph(
            title="How long do whole answers take?",
            description="Time from a request's head to the last byte of its answer, for 90% of requests. "
            "It depends on the size of the body and the speed of the client.",
            unit="s",
            queries=(Query(quantile(0.9, "regproxy_http_transfer_seconds", "kind"), "{{kind}}"),),
        ),
        Graph(
            title="How large are the answers?",
            description="Size of bodies: half and 99% of them are smaller.",
            unit="bytes",
            queries=tuple(
                Query(quantile(share, "regproxy_http_response_size_bytes", "kind"), f"{{{{kind}}}} p{share * 100:.0f}")
                for share in (0.5, 0.99)
            ),
        ),
        Graph(
            title="Which clients are not set up?",
            description="TLS handshakes per second that clients did not complete. unknown_ca: a node does not trust "
            "our CA, so none of its pulls work; run the setup script there.",
            unit="ops",
            queries=(
                Query(total(rate("regproxy_client_tls_handshakes_total", 'result!="ok"'), "result"), "{{result}}"),
            ),
            colours={"unknown_ca": "red", "timeout": "yellow", "closed": "gray", "other": "orange"},
        ),
        Graph(
            title="What happens to CONNECT requests?",
            description="Per second: intercepted, tunnelled blindly, refused by the policy, or failed to connect.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_connect_requests_total"), "decision"), "{{decision}}"),),
            stacked=True,
            colours={"intercept": "green", "tunnel": "blue", "refuse": "orange", "failed": "red"},
        ),
        Graph(
            title="How much goes through blind tunnels?",
            description="Bytes per second to hosts that are not intercepted; they are not cached.",
            unit="Bps",
            queries=(Query(total(rate("regproxy_tunnel_bytes_total"), "direction"), "{{direction}}"),),
        ),
        Graph(
            title="How many clients are there now?",
            description="Open connections that carry a request or wait for the next one, and requests being answered.",
            unit="short",
            queries=(
                Query(total(series("regproxy_client_connections"), "state"), "{{state}} connections"),
                Query(total(series("regproxy_http_requests_in_flight")), "requests in flight"),
            ),
            width=8,
        ),
        Graph(
            title="Do clients find room?",
            description="Connections per second that were closed. address: of one that has its share; idle: let go "
            "for others to have room; preparing: too many that do not say for whom they are. "
            "waiting: tenths of a second per second in which nobody was let in.",
            empty="all do",
            unit="ops",
            queries=(
                Query(occurring("regproxy_client_connections_turned_away_total", by=("reason",)), "{{reason}}"),
                Query(occurring("regproxy_client_waits_total", by=()), "waiting"),
            ),
            colours={"address": "orange", "idle": "yellow", "preparing": "red", "waiting": "purple"},
            width=8,
        ),
        Graph(
            title="Do clients give up?",
            description="Answers per second that the client cut short.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_http_client_aborts_total"), "kind"), "{{kind}}"),),
            width=8,
        ),
    ),
)
