"""The admin socket's calls about grants: who may be served what is stored, and taking that back."""

from collections.abc import Callable, Mapping

from regproxy.admin.route import Parameter, Route
from regproxy.cache.granted import Granted, Standing
from regproxy.model.address import Authority
from regproxy.policy.images import read_image, repository_name
from regproxy.policy.policy import Policy

Query = Mapping[str, str]
Told = Mapping[str, object]

IDENTITY_DIGITS = 12  # of an identity, as people see and name it

_REPOSITORY = Parameter("repository", "such as quay.io/team/app; all if not given")
_IDENTITY = Parameter("identity", "the digits that the list shows; all if not given")


class GrantCalls:
    """Answers the calls; wrong queries are ValueError, a sentence. `policy` gives the active one."""

    def __init__(self, granted: Granted, policy: Callable[[], Policy]) -> None:
        self._granted = granted
        self._policy = policy

    def routes(self) -> tuple[Route, ...]:
        """All calls."""
        named = (_REPOSITORY, _IDENTITY)
        return (Route("GET", "/grants", self.listed, named), Route("POST", "/grants/revoke", self.revoke, named))

    async def listed(self, query: Query) -> Told:
        """Public repositories, and what lent credentials and callers with a login may read."""
        authority, repository = self._place(query)
        standing = await self._granted.standing(authority, repository)
        lent = [{**_shown(one), "name": one.account} for one in standing if not one.is_public]
        own = self._granted.own(authority, repository, _identity(query))
        return {
            "public": [_shown(one) for one in standing if one.is_public],
            "lent": lent,
            "own": [
                {
                    "repository": repository_name(*held.place),
                    "identity": held.identity[:IDENTITY_DIGITS],
                    "name": held.name,
                    "at": held.at,
                }
                for held in own
            ],
        }

    async def revoke(self, query: Query) -> Told:
        """Take back what the query names."""
        if not query.get("repository") and not query.get("identity"):
            raise ValueError("name a `repository` such as quay.io/team/app, or an `identity` of the list")
        authority, repository = self._place(query)
        return {"revoked": await self._granted.revoke(authority, repository, _identity(query))}

    def _place(self, query: Query) -> tuple[Authority | None, str]:
        named = query.get("repository", "")
        if not named:
            return None, ""
        key = read_image(self._policy().connecting, named).key
        return key.authority, key.repository


def _shown(standing: Standing) -> dict[str, object]:
    return {"repository": repository_name(standing.authority, standing.repository), "at": standing.at}


def _identity(query: Query) -> str:
    found = query.get("identity", "")
    if found and (len(found) < IDENTITY_DIGITS or not all(digit in "0123456789abcdef" for digit in found)):
        raise ValueError(f"`identity` is at least {IDENTITY_DIGITS} digits, as `grants ls` shows them")
    return found
