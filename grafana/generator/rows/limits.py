"""Rate limits: how long can we go on, and what did the cache save?"""

from grafana.generator.panel import Graph, Query, Row
from grafana.generator.promql import REGISTRY, greatest, least, occurring, rate, seconds_since, series, total
from grafana.generator.words import THROTTLED

ACCOUNT = ("registry", "account")
LIMITS = Row(
    "Rate limits",
    (
        Graph(
            title="How many pulls has each account left?",
            description="As the registry last told, against the limit. Registries that tell nothing count no pulls.",
            unit="short",
            queries=(
                Query(
                    least(series("regproxy_ratelimit_remaining_pulls", REGISTRY), *ACCOUNT), "{{registry}} {{account}}"
                ),
                Query(
                    greatest(series("regproxy_ratelimit_limit_pulls", REGISTRY), *ACCOUNT),
                    "limit of {{registry}} {{account}}",
                ),
            ),
            colours={"limit of .*": "gray"},
            bounds="limit of .*",
        ),
        Graph(
            title="Are we limited, and do clients notice?",
            description="Answers 429 per second: those that registries gave us, those that a stale copy absorbed, "
            "and those that reached a client. The last should be nothing.",
            unit="reqps",
            queries=(
                Query(total(rate("regproxy_upstream_throttled_total", REGISTRY)), "from registries"),
                Query(total(rate("regproxy_cache_stale_served_total", REGISTRY, 'reason="rate_limited"')), "absorbed"),
                Query(total(rate("regproxy_http_requests_total", REGISTRY, THROTTLED)), "to clients"),
            ),
            colours={"from registries": "yellow", "absorbed": "green", "to clients": "red"},
        ),
        Graph(
            title="Which limit is it?",
            description="Answers 429 from registries per second. pull_limit: the account's allowance is used up; "
            "abuse: too many requests a minute; client: it was to a client's own credential.",
            empty="none",
            unit="reqps",
            queries=(
                Query(
                    occurring("regproxy_upstream_throttled_total", REGISTRY, by=("registry", "reason")),
                    "{{registry}} {{reason}}",
                ),
            ),
        ),
        Graph(
            title="How many pulls are spent, and how many saved?",
            description="Pulls per hour that count against a limit, and those that the cache saved.",
            unit="short",
            queries=(
                Query(f"3600 * {total(rate('regproxy_ratelimit_spent_pulls_total', REGISTRY))}", "spent per hour"),
                Query(f"3600 * {total(rate('regproxy_ratelimit_saved_pulls_total', REGISTRY))}", "saved per hour"),
            ),
            colours={"spent.*": "orange", "saved.*": "green"},
        ),
        Graph(
            title="How long are accounts held back?",
            description="Time until an account is used again, after a registry said when to come back. "
            "all: every request to the registry is held.",
            unit="s",
            queries=(
                Query(
                    f"clamp_min({greatest(series('regproxy_ratelimit_retry_at_timestamp_seconds', REGISTRY), *ACCOUNT)}"
                    " - time(), 0)",
                    "{{registry}} {{account}}",
                ),
            ),
        ),
        Graph(
            title="How old is what we know of the limits?",
            description="Time since a registry last told what an account has left; "
            "what is older than the window (six hours at Docker Hub) says nothing any more.",
            unit="s",
            queries=(
                Query(
                    seconds_since(
                        greatest(series("regproxy_ratelimit_observed_timestamp_seconds", REGISTRY), *ACCOUNT)
                    ),
                    "{{registry}} {{account}}",
                ),
                Query(
                    greatest(series("regproxy_ratelimit_window_seconds", REGISTRY), *ACCOUNT),
                    "window of {{registry}} {{account}}",
                ),
            ),
            colours={"window of .*": "gray"},
            bounds="window of .*",
        ),
    ),
)
