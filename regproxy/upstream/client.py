"""The HTTP client: the one file that knows CurlAsyncHTTPClient.

Its defaults are wrong for a proxy of large, digested content (100 MiB bodies, ten at a time, transparent decoding,
the environment's proxies, credentials in its debug log). Tornado drives libcurl's multi handle on the event loop and
keeps the pool of handles; requests, callbacks and options are ours.
"""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import pycurl
from tornado.curl_httpclient import CurlAsyncHTTPClient, CurlError
from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse

from regproxy.model.address import Authority, Reach
from regproxy.model.decision import FailureClass
from regproxy.model.event import Event
from regproxy.model.registry import Registry
from regproxy.upstream.options import LARGE
from regproxy.upstream.request import BodySink, Limits, UpstreamRequest
from regproxy.upstream.slots import Slots
from regproxy.upstream.transfer import Transfer
from regproxy.upstream.trust import TrustBundle

MAX_POOLS = 256
MAX_MULTIPLEXING = 1024
_IDLE_CONNECTIONS = 64
_CLOSE_SECONDS = 2.0


class Pool:
    """Connections and handles for one block's large or small transfers: blobs must not queue manifests out."""

    def __init__(self, registry: Registry, limits: Limits) -> None:
        self.active = 0
        self._limits = limits
        self._trust = TrustBundle(registry.ca_files, client=registry.tls.client)
        self._multiplexing: set[Authority] = set()
        # Bodies never pass through Tornado's own buffer, so its limit must not count them.
        # A handle has one connection at a time; where libcurl itself made others wait, that would count as a connect.
        self.handles = min(limits.concurrent, registry.connections or limits.concurrent)
        self._curl = CurlAsyncHTTPClient(force_instance=True, max_clients=self.handles, max_body_size=2**50)
        self._curl._multi.setopt(pycurl.M_MAXCONNECTS, min(_IDLE_CONNECTIONS, self.handles))

    @property
    def full(self) -> bool:
        """Whether the queue behind the handles has reached its bound."""
        return self.active >= self.handles + self._limits.queued

    def start(self, transfer: Transfer, released: Callable[[], None]) -> None:
        """Give the transfer the next free handle; `released` is called when it has let go of it."""
        self.active += 1
        authority = transfer.authority
        prepare = partial(transfer.prepare, trust=self._trust, kick=partial(self._curl._set_timeout, 0))
        # Every option is set again by prepare(); these only keep Tornado from doing more than it must.
        request = HTTPRequest(
            url="https://regproxy.invalid/",
            connect_timeout=self._limits.connect,
            request_timeout=0.0,
            follow_redirects=False,
            max_redirects=0,
            decompress_response=False,
            validate_cert=True,
            allow_nonstandard_methods=True,
            prepare_curl_callback=lambda curl: prepare(curl, multiplexes=authority in self._multiplexing),
        )

        def done(response: HTTPResponse) -> None:
            self.active -= 1
            self._learn(authority, transfer.multiplexed)
            match response.error:
                case CurlError() as error:
                    transfer.ended_by_libcurl(error.errno, error.message or "")
                case HTTPError() | None:
                    # Tornado calls every status but 2xx an error; to us it is an answer.
                    transfer.ended_by_libcurl(0, "")
                case Exception() as error:
                    transfer.end(error)
            released()

        # fetch() would put a future between libcurl's end and ours, after the handle was reset.
        self._curl.fetch_impl(request, done)

    def _learn(self, authority: Authority, multiplexed: bool | None) -> None:
        if multiplexed and len(self._multiplexing) < MAX_MULTIPLEXING:
            self._multiplexing.add(authority)
        elif multiplexed is False:
            self._multiplexing.discard(authority)

    def trusts(self, hashes: Mapping[str, str]) -> bool:
        """Whether the ca files still hold what they held when this pool was made."""
        return all(hashes.get(name) == held for name, held in self._trust.hashes.items())

    def close(self) -> None:
        """Close every connection, whatever is under way."""
        self._curl.close()
        self._trust.close()


class Client:
    """Starts transfers; owns the pools, one per registry block and size, made when first needed.

    `listeners` are this proxy's own addresses, which are never dialled; `report` takes one event per transfer. Without
    `ipv6` upstreams are looked up and dialled in IPv4 alone.
    """

    def __init__(
        self,
        report: Callable[[Event], None],
        listeners: frozenset[Authority] = frozenset(),
        limits: Limits | None = None,
        *,
        ipv6: bool = True,
    ) -> None:
        self._report = report
        self._listeners = listeners
        self._ipv6 = ipv6
        self._limits = limits or Limits()
        self._pools: dict[tuple[Registry, bool], Pool] = {}
        self._retiring: set[Pool] = set()
        self._slots: dict[str, Slots] = {}
        self._transfers: set[Transfer] = set()
        self._idle = asyncio.Event()
        self._closed = False
        log = logging.getLogger("tornado.curl_httpclient")
        # At DEBUG it writes whole headers, Authorization included.
        log.setLevel(max(log.level, logging.INFO))

    def start(self, request: UpstreamRequest, sink: BodySink) -> Transfer:
        """Start a request, or queue it; never raises for what the upstream does: the transfer's own end tells."""
        registry = request.registry
        # Through a proxy, what is dialled is the proxy; it is named by the operator as a host of the block is.
        named = registry.proxy is not None or registry.names(request.authority)
        reach = Reach(named, registry.allow_address, self._listeners, self._ipv6)
        transfer = Transfer(
            request, sink, self._limits.within(registry.timeouts).of(request.purpose), reach, self._report
        )
        if registry.proxy is not None and (refusal := _literal_refused(request, self._listeners)) is not None:
            transfer.refuse(refusal)
            return transfer
        if registry.concurrent is None:
            self._begin(request, transfer, None)
            return transfer
        slots = self._slots.setdefault(registry.name, Slots(self._limits.queued))
        begin = partial(self._begin, request, transfer, slots)
        slots.take(registry.concurrent, transfer, begin, self._limits.first_byte)
        return transfer

    def _begin(self, request: UpstreamRequest, transfer: Transfer, slots: Slots | None) -> None:
        """Give the transfer to its pool; with or without success, its slot is released once."""
        try:
            pool = self._pool(request.registry, request.purpose in LARGE)
        except OSError as error:
            transfer.refuse(str(error), FailureClass.TLS)
            pool = None
        if pool is None or pool.full:
            transfer.refuse("too many requests are under way")
            if slots is not None:
                # In a turn of its own: whoever waits next may fail the same way, and so may a thousand behind it.
                asyncio.get_running_loop().call_soon(slots.release)
            return
        self._transfers.add(transfer)
        self._idle.clear()
        pool.start(transfer, partial(self._released, pool, transfer, slots))

    def follow(self, registries: Iterable[Registry], ca_files: Mapping[str, str]) -> None:
        """These are the blocks of the active policy now, and the hashes of the files that they trust.

        What another block or an older file made takes nothing new, and closes with its last transfer.
        """
        current = frozenset(registries)
        for key, pool in tuple(self._pools.items()):
            if key[0] not in current or not pool.trusts(ca_files):
                self._retire(key)
        limited = {registry.name for registry in current if registry.concurrent is not None}
        self._slots = {name: slots for name, slots in self._slots.items() if name in limited or slots.taken}

    def usage(self) -> tuple[int, int, int]:
        """Handles that are in use, that there are, and the requests that wait for one."""
        pools = (*self._pools.values(), *self._retiring)
        busy = sum(min(pool.active, pool.handles) for pool in pools)
        queued = sum(max(0, pool.active - pool.handles) for pool in pools) + sum(
            one.waiting for one in self._slots.values()
        )
        return busy, sum(pool.handles for pool in pools), queued

    async def close(self) -> None:
        """Give up what is under way, wait a moment for it to end, and close every connection."""
        self._closed = True
        for slots in self._slots.values():
            slots.close()
        for transfer in tuple(self._transfers):
            transfer.cancel()
        if self._transfers:
            # All have ended; their handles come back a moment later, but for those that hang in a connect.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _CLOSE_SECONDS)
        for pool in (*self._pools.values(), *self._retiring):
            pool.close()
        self._pools.clear()
        self._retiring.clear()

    def _retire(self, key: tuple[Registry, bool]) -> None:
        """This pool takes nothing new, and closes with its last transfer."""
        pool = self._pools.pop(key)
        self._retiring.add(pool)
        self._close_retired(pool)

    def _close_retired(self, pool: Pool) -> None:
        if pool in self._retiring and not pool.active:
            self._retiring.discard(pool)
            # Tornado may be at work on its handles right now.
            asyncio.get_running_loop().call_soon(pool.close)

    def _released(self, pool: Pool, transfer: Transfer, slots: Slots | None) -> None:
        self._close_retired(pool)
        self._transfers.discard(transfer)
        if slots is not None:
            slots.release()
        if not self._transfers:
            self._idle.set()

    def _pool(self, registry: Registry, large: bool) -> Pool | None:
        """The pool for these settings; None when closed or at the bound."""
        pool = self._pools.get((registry, large))
        if pool is None and not self._closed:
            for key, idle in tuple(self._pools.items()):
                if len(self._pools) >= MAX_POOLS and not idle.active:
                    self._retire(key)
            if len(self._pools) < MAX_POOLS:
                pool = self._pools[registry, large] = Pool(registry, self._limits)
        return None if self._closed else pool


def _literal_refused(request: UpstreamRequest, listeners: frozenset[Authority]) -> str | None:
    """Why a proxy may not be asked for this address; a name is the proxy's to look up, and its rules to keep."""
    registry, authority = request.registry, request.authority
    try:
        ipaddress.ip_address(authority.host)
    except ValueError:
        return None
    reach = Reach(registry.names(authority), registry.allow_address, listeners)
    return reach.refusal(authority.host, authority.port)
