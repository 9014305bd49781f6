"""Who logged in by a browser: a cookie that only who knows the token can have made, and that ends with the token."""

import secrets
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from regproxy.admin.token import TokenFile, any_same, derived, same

COOKIE = "regproxy"
SESSION_SECONDS = 12 * 3600
MAX_COOKIE = 1024
_PURPOSE = "session"


class Sessions:
    """Makes and reads cookies; without `tokens` everybody who comes here is let in, and has none."""

    def __init__(self, tokens: TokenFile | None, clock: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._clock = clock
        # What a form holds so that no other site can have made it; another one after a restart.
        self._key = secrets.token_hex(32)

    @property
    def asked_for(self) -> bool:
        """Whether a login is needed at all."""
        return self._tokens is not None

    async def begin(self, token: str) -> str | None:
        """The cookie for who gives the token, in a header's words; None where it is another."""
        tokens = await self._tokens.current() if self._tokens is not None else ()
        if not any_same(tokens, token):
            return None
        named = f"{int(self._clock()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return self._words(f"{named}.{derived(token, _PURPOSE, named)}", SESSION_SECONDS)

    def end(self) -> str:
        """The header that takes the cookie away."""
        return self._words("", 0)

    def _words(self, value: str, seconds: int) -> str:
        return f"{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}"

    async def holds(self, cookies: str) -> bool:
        """Whether a request with these cookies comes from who logged in."""
        if self._tokens is None:
            return True
        named, _, proof = _value(cookies).rpartition(".")
        until = named.partition(".")[0]
        if not (until.isascii() and until.isdigit() and len(until) < 16 and int(until) > self._clock()):
            return False
        proofs = tuple(derived(token, _PURPOSE, named) for token in await self._tokens.current())
        return any_same(proofs, proof)

    def form(self, cookies: str) -> str:
        """What every form of this session holds."""
        return derived(self._key, _value(cookies) if self.asked_for else "")

    def is_form(self, cookies: str, given: str) -> bool:
        """Whether a form of this session sent this."""
        return same(self.form(cookies), given)


def _value(cookies: str) -> str:
    if len(cookies) > MAX_COOKIE:
        return ""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
