"""Who a client is: the password of a proxy's user is verified once, off the loop, and remembered as a keyed hash."""

import asyncio
import base64
import hmac
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable

import bcrypt

from regproxy.cache.fetches import Flights
from regproxy.cache.lookup import Engines
from regproxy.model.access import WRONG
from regproxy.model.connect import ProxyUser, Refuse
from regproxy.policy.policy import Policy

MAX_KNOWN = 4096
MAX_CLIENTS = 4096
MAX_AT_ONCE = 2
MAX_WAITING = 64
# So many wrong passwords of one address in such a time; what is known to be right is not counted, and not refused.
MAX_FAILURES, FAILURE_SECONDS = 10, 60.0
MAX_PROOF = 2048
# What bcrypt takes at most.
MAX_PASSWORD = 72
BUSY = "regproxy has too many passwords to check; try again in a moment"


class Users:
    """Owns what is known of passwords; `policy` gives the active one, `engines` the clock."""

    def __init__(self, engines: Engines, policy: Callable[[], Policy]) -> None:
        self._clock = engines.clock
        self._policy = policy
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, bool] = OrderedDict()
        self._flights: Flights[bytes, bool] = Flights(engines)
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._checking: set[bytes] = set()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    async def identify(self, client: str, proof: str) -> ProxyUser | Refuse:
        """Who the client is by its Proxy-Authorization; nobody where the policy has no users."""
        users = self._policy().access.users
        if users is None:
            return ProxyUser()
        told = read_basic(proof)
        if told is None or not users.hashes:
            return Refuse(407, WRONG)
        user, password = told
        # One that is no user takes as long as one that is.
        hashed = users.hashes.get(user) or next(iter(users.hashes.values()))
        key = hmac.digest(self._key, b"\0".join((user.encode(), password, hashed.encode())), "sha256")
        right = self._known.get(key)
        if right is None:
            turned_away = self._turned_away(client, key)
            if turned_away is not None:
                return turned_away
            right = await self._joined(key, password, hashed, is_user=user in users.hashes)
            if not right:
                self._failed(client)
        else:
            self._known.move_to_end(key)
        return ProxyUser(user) if right else Refuse(407, WRONG)

    def _turned_away(self, client: str, key: bytes) -> Refuse | None:
        if self._is_guessing(client):
            return Refuse(429, f"regproxy refused {client}: too many wrong passwords; try again in a minute")
        return Refuse(503, BUSY) if len(self._checking) >= MAX_WAITING and key not in self._checking else None

    async def _joined(self, key: bytes, password: bytes, hashed: str, *, is_user: bool) -> bool:
        """Whether the password is right, by the one check that is made of it at a time."""
        task, joined = self._flights.join(key, lambda: self._check(key, password, hashed, is_user=is_user))
        if not joined:
            self._checking.add(key)
            task.add_done_callback(lambda _: self._checking.discard(key))
        return await asyncio.shield(task)

    async def _check(self, key: bytes, password: bytes, hashed: str, *, is_user: bool) -> bool:
        async with self._at_once:
            right = await asyncio.to_thread(_matches, password, hashed) and is_user
        self._known[key] = right
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return right

    # Guessing.

    def _is_guessing(self, client: str) -> bool:
        failures = self._failures.get(client)
        return failures is not None and len(failures) >= MAX_FAILURES and self._clock() - failures[0] < FAILURE_SECONDS

    def _failed(self, client: str) -> None:
        failures = self._failures.pop(client, None) or deque(maxlen=MAX_FAILURES)
        failures.append(self._clock())
        self._failures[client] = failures
        if len(self._failures) > MAX_CLIENTS:
            self._failures.popitem(last=False)


def read_basic(proof: str) -> tuple[str, bytes] | None:
    """User and password of a Basic credential (RFC 7617), in UTF-8; None for anything else."""
    scheme, _, encoded = proof.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_PROOF:
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password.encode()) if colon and user and (user + password).isprintable() else None


def _matches(password: bytes, hashed: str) -> bool:
    return len(password) <= MAX_PASSWORD and bcrypt.checkpw(password, hashed.encode())
