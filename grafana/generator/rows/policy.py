"""Policy and CA: which rules run, and do they decide anything?"""

from grafana.generator.panel import PER_MINUTE, Graph, Number, Query, Row
from grafana.generator.promql import least, per_minute, quantile_shown, rate, series, total

DAY = 86400
POLICY = Row(
    "Policy and CA",
    (
        Graph(
            title="Which tiers decide?",
            description="Decisions of the policy per second, by the tier that matched.",
            unit="ops",
            queries=(Query(total(rate("regproxy_policy_decisions_total"), "tier"), "{{tier}}"),),
            stacked=True,
            width=12,
        ),
        Graph(
            title="Do reloads work?",
            description="Reloads of the policy per minute. failure: the policy that ran goes on running.",
            unit=PER_MINUTE,
            queries=(Query(per_minute(total(rate("regproxy_policy_reloads_total"), "result")), "{{result}}"),),
            colours={"success": "green", "unchanged": "gray", "failure": "red"},
            width=6,
        ),
        Number(
            title="How long do reloads take?",
            description="Time to build a policy and run its tests, for 99% of the reloads in the time shown; "
            "clients do not wait for it.",
            unit="s",
            queries=(Query(quantile_shown(0.99, "regproxy_policy_reload_duration_seconds"), "p99"),),
            empty="no reload",
            width=6,
            height=8,
        ),
        Number(
            title="How long is the CA valid?",
            description="Time until the signing CA expires, where that is soonest. "
            "Every node must trust the next one before that.",
            unit="s",
            queries=(Query(f"{least(series('regproxy_ca_not_after_timestamp_seconds'))} - time()", "left"),),
            first="red",
            steps=((7 * DAY, "orange"), (30 * DAY, "green")),
            width=6,
            height=8,
        ),
        Graph(
            title="Is a new CA taken?",
            description="Times per minute that its files were read again. failure: the CA that signed goes on.",
            unit=PER_MINUTE,
            width=6,
            queries=(Query(per_minute(total(rate("regproxy_ca_reloads_total"), "result")), "{{result}}"),),
            colours={"success": "green", "unchanged": "gray", "failure": "red"},
        ),
        Graph(
            title="Is the CA handed out?",
            description="Times per minute that a client asked for /ca.crt: new nodes, or all of them after a change.",
            unit=PER_MINUTE,
            width=6,
            queries=(Query(per_minute(total(rate("regproxy_ca_fetches_total"), "instance")), "{{instance}}"),),
        ),
        Graph(
            title="How many certificates are made?",
            description="Leaf certificates signed per minute: one for each host name, then it is remembered.",
            unit=PER_MINUTE,
            width=6,
            queries=(
                Query(per_minute(total(rate("regproxy_leaf_certificates_minted_total"), "instance")), "{{instance}}"),
            ),
        ),
    ),
)
