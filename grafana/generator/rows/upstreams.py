"""Upstreams: who is slow or down?"""

from grafana.generator.panel import Graph, Query, Row, Timeline
from grafana.generator.promql import REGISTRY, greatest, least, occurring, quantile, rate, seconds_since, series, total
from grafana.generator.words import CODES

UPSTREAMS = Row(
    "Upstreams",
    (
        Timeline(
            title="Which registries are asked?",
            description="Up: requests are sent; open: requests fail at once, because too many failed in a row.",
            unit="short",
            queries=(Query(least(series("regproxy_upstream_up", REGISTRY), "registry"), "{{registry}}"),),
            states=((1, "up", "green"), (0, "open", "red")),
            width=24,
            height=6,
        ),
        Graph(
            title="What do registries answer?",
            description="Requests to upstreams per second, by the code of the answer; none: no answer came.",
            unit="reqps",
            queries=(Query(total(rate("regproxy_upstream_requests_total", REGISTRY), "code"), "{{code}}"),),
            stacked=True,
            colours=CODES,
        ),
        Graph(
            title="What are registries asked for?",
            description="Requests to upstreams per second, by method and purpose. HEAD of a manifest costs no pull.",
            unit="reqps",
            queries=(
                Query(
                    total(rate("regproxy_upstream_requests_total", REGISTRY), "method", "purpose"),
                    "{{method}} {{purpose}}",
                ),
            ),
            stacked=True,
        ),
        Graph(
            title="Which registry is slow?",
            description="Time to the first byte of 90% of a registry's answers.",
            unit="s",
            queries=(
                Query(
                    quantile(0.9, "regproxy_upstream_first_byte_seconds", "registry", matchers=(REGISTRY,)),
                    "{{registry}}",
                ),
            ),
        ),
        Graph(
            title="Which upstreams fail, and how?",
            description="Requests per second that got no usable answer.",
            empty="none",
            unit="reqps",
            queries=(
                Query(
                    occurring("regproxy_upstream_failures_total", REGISTRY, by=("registry", "reason")),
                    "{{registry}} {{reason}}",
                ),
            ),
            stacked=True,
        ),
        Graph(
            title="What is tried again?",
            description="Requests to upstreams per second that were sent once more.",
            empty="none",
            unit="reqps",
            queries=(
                Query(
                    occurring("regproxy_upstream_retries_total", REGISTRY, by=("registry", "reason")),
                    "{{registry}} {{reason}}",
                ),
            ),
        ),
        Graph(
            title="How much is downloaded?",
            description="Bytes of bodies from each registry per second.",
            unit="Bps",
            queries=(
                Query(total(rate("regproxy_upstream_received_bytes_total", REGISTRY), "registry"), "{{registry}}"),
            ),
            stacked=True,
        ),
        Graph(
            title="Is there room for more requests to upstreams?",
            description="Requests that are under way, and those that wait for a slot. Waiting makes pulls slow.",
            unit="short",
            queries=(
                Query(total(series("regproxy_upstream_slots", 'state="busy"')), "under way"),
                Query(total(series("regproxy_upstream_queued_requests")), "waiting"),
            ),
            colours={"under way": "blue", "waiting": "red"},
        ),
        Graph(
            title="Are our credentials accepted?",
            description="Requests for tokens per second, denied ones too; rejected: a credential of the policy; "
            "no helper: one that gave none.",
            empty="none",
            unit="reqps",
            queries=(
                Query(
                    occurring("regproxy_upstream_token_requests_total", REGISTRY, by=("registry", "result")),
                    "{{registry}} {{result}}",
                ),
                Query(
                    occurring("regproxy_credential_rejected_total", REGISTRY, by=("registry",)), "{{registry}} rejected"
                ),
                Query(
                    occurring("regproxy_credential_helper_failures_total", REGISTRY, by=("registry",)),
                    "{{registry}} no helper",
                ),
            ),
            colours={".* ok": "green", ".* (denied|rejected|no helper)": "red", ".* error": "orange"},
        ),
        Graph(
            title="When did each registry last answer well?",
            description="Time since the last good answer; it also grows while nobody asks.",
            unit="s",
            queries=(
                Query(
                    seconds_since(
                        greatest(series("regproxy_upstream_last_success_timestamp_seconds", REGISTRY), "registry")
                    ),
                    "{{registry}}",
                ),
            ),
        ),
    ),
)
