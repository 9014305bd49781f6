"""The overview: everything of the chosen instances, from general to specific."""

from grafana.generator.panel import Board
from grafana.generator.rows.cache import CACHE
from grafana.generator.rows.clients import CLIENTS
from grafana.generator.rows.glance import GLANCE
from grafana.generator.rows.limits import LIMITS
from grafana.generator.rows.policy import POLICY
from grafana.generator.rows.process import PROCESSES
from grafana.generator.rows.upstreams import UPSTREAMS

OVERVIEW = Board(
    name="overview",
    title="regproxy / Overview",
    description="Is anything wrong, what is gained, and where does it come from?",
    rows=(GLANCE, CLIENTS, LIMITS, CACHE, UPSTREAMS, POLICY, PROCESSES),
)
