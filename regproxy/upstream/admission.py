"""The one way to an upstream: what may be sent now, tried again where that is safe, and what its answer teaches us."""

import asyncio
import contextlib

from regproxy.model.message import Head
from regproxy.upstream.breaker import Breakers
from regproxy.upstream.client import Client
from regproxy.upstream.failure import UpstreamFailed
from regproxy.upstream.limited import Limited
from regproxy.upstream.quota import ANONYMOUS, Permit, Quota
from regproxy.upstream.ratelimit import MAX_LIMIT_BODY
from regproxy.upstream.request import BodySink, UpstreamRequest
from regproxy.upstream.retries import Retries
from regproxy.upstream.transfer import Transfer

_LIMIT_BODY_SECONDS = 2.0
_TOO_MANY = 429


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

    async def open(self, request: UpstreamRequest, sink: BodySink, account: str | None = ANONYMOUS) -> Transfer:
        """The transfer, once its head is known and the sink has it.

        `account` None: the client's own credential, whose answers are all for the client. Raises Limited while a limit
        stops the request or when a 429 begins one, and UpstreamFailed when there is no answer.
        """
        permit = self._quota.admit(request, account)
        watch = _Watch(sink, own_account=account is not None)
        try:
            transfer = await self._tried(request, watch)
        finally:
            if watch.heard is None:
                self._quota.released(permit)
            elif watch.heard.status != _TOO_MANY:
                self._quota.answered(permit, watch.heard)
            elif not watch.withheld:
                self._quota.limited(permit, watch.heard, b"")
        if watch.withheld and watch.heard is not None:
            raise await self._limited(permit, watch.heard, transfer, watch)
        return transfer

    def counts_pulls(self, request: UpstreamRequest) -> bool:
        """Whether a pull of our own account may be refused."""
        return self._quota.counts(request)

    async def _limited(self, permit: Permit, head: Head, transfer: Transfer, watch: _Watch) -> Limited:
        """What the 429 means, read from as much of its body as comes soon."""
        try:
            with contextlib.suppress(UpstreamFailed, ValueError, TimeoutError):
                await asyncio.wait_for(transfer.finished(), _LIMIT_BODY_SECONDS)
        finally:
            transfer.cancel()
            limited = self._quota.limited(permit, head, bytes(watch.body))
        return limited

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
