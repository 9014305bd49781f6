"""An edge as a process: it meets the core, accepts clients, and drains. Holds no policy, no secret and no CA key.

Neither pycurl nor lark, re2 or sqlite3 is loaded here: what a hostile client may reach is this process alone.
"""

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

from regproxy.app.handed import Handed, end_with
from regproxy.app.lasting import lasting
from regproxy.app.listeners import Sockets
from regproxy.app.pages import Pages
from regproxy.app.pulse import Heart
from regproxy.model.address import parse_authority
from regproxy.model.answer import Core
from regproxy.proxy.balancer import Balancers
from regproxy.proxy.crowd import Capacity, Crowd
from regproxy.proxy.edge import Edge
from regproxy.proxy.listener import Doors, Listener
from regproxy.tls.contexts import Contexts
from regproxy.wire.frames import Welcome
from regproxy.wire.remote import RemoteCore
from regproxy.wire.rendezvous import dial

FLUSH_SECONDS = 2.0


def make_listener(core: Core, welcome: Callable[[], Welcome], sockets: Sockets) -> Listener:
    """An edge with all its parts, before it accepts; `welcome` gives the core's latest."""
    first = welcome()
    contexts = Contexts(core.leaf, time.time)
    listeners = frozenset(parse_authority(text) for text in first.listeners)
    pages = Pages(
        lambda: welcome().ca_certificate, lambda: welcome().ca_fingerprint, lambda: welcome().probe, core.sightings
    )
    edge = Edge(
        core,
        contexts,
        pages.page,
        Path(first.content_directory),
        listeners,
        crowd=Crowd(Capacity(*first.capacity)),
        ipv6=first.ipv6,
    )
    edge.traced = first.traced
    balancers = Balancers(ip_network(text) for text in first.balancers)
    return Listener(edge, Doors(sockets.clear, sockets.secured, first.name, balancers))


async def _serve(handed: Handed) -> None:
    stop, stop_now = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: (stop_now if stop.is_set() else stop).set())
    # The parent blocks signals, and so do its children until they can act on them.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    core = RemoteCore(lambda: dial(handed.wire))
    running = loop.create_task(core.run())
    serving = loop.create_task(_accept(core, handed, stop, stop_now))
    try:
        done, _ = await asyncio.wait({running, serving}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (serving, running):
            task.cancel()
        await asyncio.gather(serving, running, return_exceptions=True)


async def _accept(core: RemoteCore, handed: Handed, stop: asyncio.Event, stop_now: asyncio.Event) -> None:
    sockets = Sockets.of(handed.proxy, handed.secured)
    stopping = asyncio.ensure_future(stop.wait())
    welcomed = asyncio.ensure_future(core.welcome())
    await asyncio.wait({stopping, welcomed}, return_when=asyncio.FIRST_COMPLETED)
    if not welcomed.done():
        welcomed.cancel()
        return
    welcomed.result()
    listener = make_listener(core, core.welcomed, sockets)
    listener.start()
    # The core puts its own name for this edge in place of ours.
    heart = Heart("", lambda pulse: core.report([pulse]), lambda: (listener.measure(""),))
    beating = asyncio.ensure_future(lasting("measuring", heart.run))
    await stopping
    at_once = asyncio.ensure_future(stop_now.wait())
    drained = asyncio.ensure_future(listener.drain(handed.drain))
    await asyncio.wait({at_once, drained}, return_when=asyncio.FIRST_COMPLETED)
    at_once.cancel()
    drained.cancel()
    await asyncio.gather(drained, at_once, return_exceptions=True)
    await listener.drain(0)
    beating.cancel()
    await asyncio.gather(beating, return_exceptions=True)
    heart.tell(())
    await core.close(FLUSH_SECONDS)


def main() -> None:
    """Run an edge with what the parent handed over, its only argument."""
    handed = Handed.read(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end_with(handed.parent)
    # What is there before the first client stays: the collector need not walk over it with everybody waiting.
    gc.collect()
    gc.freeze()
    try:
        asyncio.run(_serve(handed))
    except ConnectionRefusedError as error:
        sys.exit(f"regproxy: an edge ended: {error}")


if __name__ == "__main__":
    main()
