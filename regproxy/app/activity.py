"""The admin calls about what the proxy does: layers on their way, and how its policy decided."""

from collections.abc import Callable, Iterable, Mapping

from regproxy.admin.route import Route
from regproxy.cache.answer import Cache
from regproxy.policy.images import repository_name
from regproxy.policy.policy import Policy
from regproxy.policy.show import Row, outline
from regproxy.telemetry.tally import Sampled, summed

Query = Mapping[str, str]
Told = Mapping[str, object]


class ActivityCalls:
    """Answers the calls; `policy` gives the active one, `sampled` the counters."""

    def __init__(self, cache: Cache, policy: Callable[[], Policy], sampled: Callable[[], Iterable[Sampled]]) -> None:
        self._cache = cache
        self._policy = policy
        self._sampled = sampled

    def routes(self) -> tuple[Route, ...]:
        """All calls."""
        return (Route("GET", "/fetches", self.fetches), Route("GET", "/policy", self.policy))

    async def fetches(self, _query: Query) -> Told:
        """Layers on their way into the cache, how far they are, and how many clients read along."""
        return {
            "fetches": [
                {
                    "repository": repository_name(one.key.authority, one.key.repository),
                    "digest": str(one.key.digest),
                    "bytes": one.bytes,
                    "total": one.total,
                    "clients": one.clients,
                }
                for one in self._cache.transfers()
            ]
        }

    async def policy(self, _query: Query) -> Told:
        """The active policy's tiers, in order, and how many requests each decided."""
        policy = self._policy()
        counts = summed(self._sampled(), "policy_decisions", "tier")
        tiers = [
            {
                "name": tier.name,
                "match": _words(tier.rows[0]),
                "terms": [f"{row.key} {_words(row)}".strip() for row in tier.rows[1:]],
                "requests": counts.get(tier.name, 0.0),
            }
            for tier in outline(policy)
            if tier.key == "tier"
        ]
        return {"name": policy.name, "checksum": policy.checksum, "tiers": tiers}


def _words(row: Row) -> str:
    return " ".join((row.words, *(f'"{text}"' for text in row.texts))).strip()
