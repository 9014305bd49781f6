"""Registries that tell of a push: the tag is asked about before it is served again, whatever is fresh."""

import hmac
from urllib.parse import parse_qsl

from tornado.httputil import HTTPServerRequest

from regproxy.admin.api import MAX_FIELDS, PREFIX, Api, answered, problem
from regproxy.admin.door import Door
from regproxy.admin.pushed import SENDERS, pushed
from regproxy.admin.server import Page
from regproxy.admin.token import any_same, derived

HOOKS = f"{PREFIX}/hooks/"
_PURPOSE = "hooks"


class Hooks:
    """Takes messages from whoever knows the hooks' own secret, which is good for nothing else.

    It is made from the token of the door: those who send webhooks keep it for others to read.
    """

    def __init__(self, api: Api, door: Door) -> None:
        self._api = api
        self._door = door

    async def answer(self, request: HTTPServerRequest) -> Page:
        """What became of a message."""
        sender = request.path.removeprefix(HOOKS)
        if sender not in SENDERS:
            return problem(404, f"there is no hook for {sender[:80]!r}; there are {', '.join(SENDERS)}")
        if request.method != "POST":
            return problem(405, f"{request.path} takes POST")
        try:
            query = dict(parse_qsl(request.query, max_num_fields=MAX_FIELDS))
            if not await self._is_known(request, query.get("token", "")):
                return problem(401, "the secret of `regproxy hooks` is asked for, as the sender can send it")
            found = pushed(sender, request.body, query.get("registry", ""))
        except ValueError as error:
            return problem(400, str(error))
        expired: list[object] = []
        ignored = {}
        for reference in found:
            try:
                told = await self._api.call(
                    self._door.who(request), "POST", "/images/purge", {"match": reference, "how": "expire"}
                )
            except ValueError as error:
                ignored[reference] = str(error)
            else:
                expired += told["images"] if isinstance(told["images"], list) else []
        return answered({"expired": expired, "ignored": ignored})

    async def _is_known(self, request: HTTPServerRequest, in_query: str) -> bool:
        """Whether the secret came along: in a header, in the query, or as GitHub's signature of the body."""
        if self._door.tokens is None or await self._door.opens(request):
            return True
        secrets = await hook_secrets(self._door)
        given = request.headers.get("Authorization", "")
        scheme, _, rest = given.partition(" ")
        bare = rest.strip() if scheme.lower() == "bearer" else given
        signatures = tuple(f"sha256={hmac.new(one.encode(), request.body, 'sha256').hexdigest()}" for one in secrets)
        known = [
            any_same(secrets, bare),
            any_same(secrets, request.headers.get("X-Gitlab-Token", "")),
            any_same(secrets, in_query),
            any_same(signatures, request.headers.get("X-Hub-Signature-256", "")),
        ]
        return any(known)


async def hook_secrets(door: Door) -> tuple[str, ...]:
    """The secret for each token."""
    tokens = await door.tokens.current() if door.tokens is not None else ()
    return tuple(hook_secret(token) for token in tokens)


def hook_secret(token: str) -> str:
    """What senders of webhooks are given in place of the token."""
    return derived(token, _PURPOSE)
