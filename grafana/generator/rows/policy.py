"""Policy and CA: which rules run, and do they decide anything?"""

from grafana.generator.panel import Graph, Query, Row
from grafana.generator.promql import least, quantile, rate, series, total

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
            description="Reloads of the policy per second. failure: the policy that ran goes on running.",
            unit="ops",
            queries=(Query(total(rate("regproxy_policy_reloads_total"), "result"), "{{result}}"),),
            colours={"success": "green", "unchanged": "gray", "failure": "red"},
            width=6,
        ),
        Graph(
            title="How long do reloads take?",
            description="Time to build a policy and run its tests, for 99% of reloads; clients do not wait for it.",
            unit="s",
            queries=(Query(quantile(0.99, "regproxy_policy_reload_duration_seconds"), "p99"),),
            width=6,
        ),
        Graph(
            title="How long is the CA valid?",
            description="Time until the signing CA expires. Every node must trust the next one before that.",
            unit="s",
            width=6,
            queries=(
                Query(
                    f"{least(series('regproxy_ca_not_after_timestamp_seconds'), 'instance')} - time()", "{{instance}}"
                ),
            ),
        ),
        Graph(
            title="Is a new CA taken?",
            description="Times per second that its files were read again. failure: the CA that signed goes on.",
            unit="ops",
            width=6,
            queries=(Query(total(rate("regproxy_ca_reloads_total"), "result"), "{{result}}"),),
            colours={"success": "green", "unchanged": "gray", "failure": "red"},
        ),
        Graph(
            title="Is the CA handed out?",
            description="Times per second that a client asked for /ca.crt: new nodes, or all of them after a change.",
            unit="ops",
            width=6,
            queries=(Query(total(rate("regproxy_ca_fetches_total"), "instance"), "{{instance}}"),),
        ),
        Graph(
            title="How many certificates are made?",
            description="Leaf certificates signed per second: one for each host name, then it is remembered.",
            unit="ops",
            width=6,
            queries=(Query(total(rate("regproxy_leaf_certificates_minted_total"), "instance"), "{{instance}}"),),
        ),
    ),
)
