"""Work that ends even when its caller is gone."""

import asyncio
import threading

from regproxy.store.work import Work


def test_a_cancelled_caller_does_not_stop_the_work_and_drain_waits_for_it() -> None:
    async def story() -> None:
        work, go, done = Work(), asyncio.Event(), []

        async def inner() -> None:
            await go.wait()
            work.begin(outlive())

        async def outlive() -> None:
            await asyncio.sleep(0)
            done.append("both")

        caller = asyncio.create_task(work.unbroken(inner()))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        assert caller.cancelled()
        go.set()
        await work.drain()
        assert done == ["both"]
        work.finish()

    asyncio.run(story())


def test_disk_calls_run_beside_the_loop() -> None:
    async def story() -> None:
        work = Work()
        assert await work.on_disk(threading.get_ident) != threading.get_ident()
        work.finish()

    asyncio.run(story())
