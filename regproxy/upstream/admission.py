"""The one way to an upstream: what may be sent now, tried again where that is safe, and what its answer teaches us."""

import asyncio
import contextlib

from regproxy.model.account import ANONYMOUS, Account
from regproxy.model.address import Authority
from regproxy.model.decision import FailureClass
from regproxy.model.message import Head
from regproxy.upstream.breaker import Breakers
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.limited import Limited
from regproxy.upstream.quota import Permit, Quota
from regproxy.upstream.ratelimit import MAX_LIMIT_BODY
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.retries import Retries
from regproxy.upstream.transfer import Transfer

_LIMIT_BODY_SECONDS = 2.0
_TOO_MANY = 429
MAX_TURN_SECONDS = 30.0
MAX_WAITING = 1024


class _Watch:
    """Sees the head of an answer first; a 429 to our own account is kept from the sink: we answer it ourselves."""

    def __init__(self, sink: BodySink, *, own_account: bool) -> None:
        self._sink = sink
        self._own_account = own_account
        self.heard: Head | None = None
        self.withheld = False
        self.body = bytearray()

    def head(self, head: Head) -> None:
        self.heard = head
        self.withheld = self._own_account and head.status == _TOO_MANY
        if not self.withheld:
            self._sink.head(head)

    def data(self, chunk: bytes) -> bool:
        if not self.withheld:
            return self._sink.data(chunk)
        if len(self.body) + len(chunk) > MAX_LIMIT_BODY:
            raise ValueError("the body of a 429 is too large")
        self.body += chunk
        return True


class Admission:
    """Starts transfers as quota, breakers and retries allow; the client, which it does not own, sends them."""

    def __init__(self, client: Client, quota: Quota, breakers: Breakers, retries: Retries) -> None:
        self._client = client
        self._quota = quota
        self._breakers = breakers
        self._retries = retries
        self._settled = asyncio.Event()
        self._waiting = 0

    async def open(self, request: UpstreamRequest, sink: BodySink, account: Account | None = ANONYMOUS) -> Transfer:
        """The transfer, once its head is known and the sink has it.

        `account` None: the client's own credential, whose answers are all for the client. Raises Limited while a limit
        stops the request or when a 429 begins one, and UpstreamFailed when there is no answer.
        """
        await self._turn(request, account)
        permit = self._quota.admit(request, account)
        watch = _Watch(sink, own_account=account is not None)
        limited: Limited | None = None
        try:
            transfer = await self._tried(request, watch)
            if watch.withheld:
                await _rest_of(transfer)
        finally:
            limited = self._settle(permit, watch)
        if watch.withheld and limited is not None:
            raise limited
        return transfer

    def counts_pulls(self, request: UpstreamRequest, account: Account = ANONYMOUS) -> bool:
        """Whether a pull of this account may be refused."""
        return self._quota.counts(request, account)

    def is_held(self, authority: Authority) -> bool:
        """Whether a limit, a row of failures or the operator keeps it from being asked."""
        return self._quota.holds(authority) or self._breakers.holds(authority)

    async def _turn(self, request: UpstreamRequest, account: Account | None) -> None:
        """Wait while as many pulls are under way as are left: the answer to one tells whether there are more."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + MAX_TURN_SECONDS
        while self._quota.is_crowded(request, account):
            left = deadline - loop.time()
            if left <= 0 or self._waiting >= MAX_WAITING:
                sentence = f"{request.authority.name}: too many pulls wait for what is left of its pull limit"
                raise UpstreamFailed(FailureClass.TIMEOUT, sentence, ours=True)
            self._waiting += 1
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), left)
            finally:
                self._waiting -= 1

    def _settle(self, permit: Permit, watch: _Watch) -> Limited | None:
        """Let the quota know how it ended, and those who wait for that look again."""
        self._settled.set()
        self._settled = asyncio.Event()
        if watch.heard is None:
            self._quota.released(permit)
        elif watch.heard.status != _TOO_MANY:
            self._quota.answered(permit, watch.heard)
        else:
            return self._quota.limited(permit, watch.heard, bytes(watch.body))
        return None

    async def _tried(self, request: UpstreamRequest, watch: _Watch) -> Transfer:
        probe = self._breakers.admit(request)
        self._retries.earn(request.authority)
        retried = 0
        try:
            while True:
                try:
                    return await self._once(request, watch)
                except UpstreamFailed as error:
                    if watch.heard is not None:
                        raise
                    delay = self._retries.delay(request, error, retried)
                    if delay is None:
                        self._breakers.failed(request, error, probe=probe)
                        raise
                    retried += 1
                    await asyncio.sleep(delay)
        finally:
            if watch.heard is not None:
                self._breakers.answered(request)
            else:
                self._breakers.released(request, probe=probe)

    async def _once(self, request: UpstreamRequest, watch: _Watch) -> Transfer:
        transfer = self._client.start(request, watch)
        try:
            await transfer.head()
        except BaseException:
            transfer.cancel()
            raise
        return transfer


async def _rest_of(transfer: Transfer) -> None:
    """Let the body of a 429 come, as far as it comes soon."""
    try:
        with contextlib.suppress(UpstreamFailed, ValueError, TimeoutError):
            await asyncio.wait_for(transfer.finished(), _LIMIT_BODY_SECONDS)
    finally:
        transfer.cancel()
