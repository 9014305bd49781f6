"""Who may come in: on a Unix socket its owner, on an address whoever knows the token, and no other site's page."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from regproxy.admin.token import TokenFile, any_same
from regproxy.model.address import parse_authority

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Door:
    """Judges callers; `names` are the hosts by which it is reached, beside the local ones; without `tokens` no key."""

    def __init__(self, names: Iterable[str] = (), tokens: TokenFile | None = None) -> None:
        self._names = LOCAL_NAMES | frozenset(names)
        self.tokens = tokens

    def refusal(self, request: HTTPServerRequest) -> tuple[int, str] | None:
        """Why a browser must not be answered, status and sentence: a name that is not ours, or another site's page.

        A page of a stranger can make its own name lead here (DNS rebinding), and can post without being asked.
        """
        if not self._is_ours(request.headers.get("Host", "")):
            return 421, "this is not known by that name; --admin-name NAME makes it so"
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            return 403, "another site's page sent this"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            return parse_authority(host, 80).host in self._names
        except ValueError:
            return False

    async def opens(self, request: HTTPServerRequest) -> bool:
        """Whether the request holds the token (RFC 6750, section 2.1), where one is asked for."""
        if self.tokens is None:
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and any_same(await self.tokens.current(), given.strip())

    def who(self, request: HTTPServerRequest) -> str:
        """The caller as the log names it."""
        return "unix" if self.tokens is None else str(request.remote_ip)
